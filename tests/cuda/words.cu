// One kernel for each group of CUDA's words.
extern "C" __global__ void __launch_bounds__(1024) indices(int* y) {
    int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    int* mine = y + 6 * (block * (int)(blockDim.x * blockDim.y * blockDim.z) + thread);
    mine[0] = threadIdx.x, mine[1] = threadIdx.y, mine[2] = threadIdx.z;
    mine[3] = blockIdx.x, mine[4] = blockIdx.y, mine[5] = blockIdx.z;
}

extern "C" __global__ void reverse(float* __restrict__ y, const float* __restrict__ x) {
    extern __shared__ __align__(16) float memory[];
    memory[threadIdx.x] = __ldg(x + threadIdx.x);
    __syncthreads();
    y[threadIdx.x] = memory[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void vectors(float* y, const float* x) {
    float4 v = reinterpret_cast<const float4*>(x)[threadIdx.x];
    float2 low = make_float2(v.x, 2 * v.y);
    int4 factors = make_int4(0, 0, 3, 4);
    reinterpret_cast<float4*>(y)[threadIdx.x] = make_float4(low.x, low.y, factors.z * v.z, factors.w * v.w);
}

template <int FACTOR>
__device__ float sum_of_lanes() {
    __shared__ float lanes[32];             // one for every FACTOR
    lanes[threadIdx.x] = FACTOR * (int)threadIdx.x;
    __syncthreads();
    float sum = 0;
    #pragma unroll 4
    for (int i = 0; i < 32; ++i) sum += lanes[i];
    return sum;
}

extern "C" __global__ void templates(float* y) {
    float one = sum_of_lanes<1>(), two = sum_of_lanes<2>();
    if (threadIdx.x == 0) y[0] = one, y[1] = two;
}

extern "C" __global__ void early(float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    y[i] = 1;
}

extern "C" __global__ void atomics(int* ints, float* floats, unsigned* unsigneds, unsigned long long* longs) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(&ints[0], 1);
    atomicMax(&ints[1], i);
    atomicMin(&ints[2], -i);
    int old = ints[3], expected;
    do {
        expected = old;
        old = atomicCAS(&ints[3], expected, expected + 1);
    } while (old != expected);
    atomicXor(&ints[4], 1);
    atomicExch(&ints[5], 1);
    atomicOr(&ints[6], i);
    atomicSub(&ints[7], i % 2 ? 1 : -1);
    atomicAdd(&floats[0], 0.5f);
    atomicInc(&unsigneds[0], 9);
    atomicOr(&unsigneds[1], (unsigned)i);
    atomicAdd(&unsigneds[2], 1);
    atomicAdd(&longs[0], 1ull << 33);
    atomicCAS(&longs[1], 0ull, 1ull);
}

// The sum of x: every block its part; the last one to be done, the parts.
extern "C" __global__ void last_block(const float* x, float* parts, float* total, unsigned* done) {
    __shared__ float sums[256];
    __shared__ bool last;
    sums[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
    __syncthreads();
    if (threadIdx.x == 0) {
        float sum = 0;
        for (int i = 0; i < blockDim.x; ++i) sum += sums[i];
        parts[blockIdx.x] = sum;
        __threadfence();
        last = atomicAdd(done, 1u) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x == 0)
        for (int block = 0; block < gridDim.x; ++block) *total += parts[block];
}
