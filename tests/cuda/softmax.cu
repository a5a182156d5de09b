// Row softmax: one block per row, 128 threads.
__device__ __forceinline__ float warp_max(float v) {
    for (int offset = 16; offset > 0; offset /= 2) v = fmaxf(v, __shfl_xor_sync(0xffffffff, v, offset));
    return v;
}
__device__ __forceinline__ float warp_sum(float v) {
    for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(0xffffffff, v, offset);
    return v;
}
extern "C" __global__ void softmax(const float* __restrict__ x, float* __restrict__ y, int rows, int cols) {
    __shared__ float partial[WARPS];
    int row = blockIdx.x, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    if (row >= rows) return;
    float m = -__int_as_float(0x7f800000);
    for (int j = threadIdx.x; j < cols; j += blockDim.x) m = fmaxf(m, x[row * cols + j]);
    m = warp_max(m);
    if (lane == 0) partial[warp] = m;
    __syncthreads();
    for (int w = 0; w < WARPS; ++w) m = fmaxf(m, partial[w]);
    __syncthreads();
    float s = 0;
    for (int j = threadIdx.x; j < cols; j += blockDim.x) s += __expf(x[row * cols + j] - m);
    s = warp_sum(s);
    if (lane == 0) partial[warp] = s;
    __syncthreads();
    s = 0;
    for (int w = 0; w < WARPS; ++w) s += partial[w];
    for (int j = threadIdx.x; j < cols; j += blockDim.x) y[row * cols + j] = __expf(x[row * cols + j] - m) / s;
}
