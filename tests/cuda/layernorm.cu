// Layer norm: one warp per row, four columns at a time; and the gradient of its scale.
constexpr unsigned WARP = 0xffffffff;

__device__ __forceinline__ float warp_sum(float v) {
    for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(WARP, v, offset);
    return v;
}

extern "C" __global__ void layernorm(const float* __restrict__ x, const float* gamma, float* __restrict__ y,
                                     float* __restrict__ mean, int rows, float eps) {
    int row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    if (row >= rows) return;
    const float4* in = reinterpret_cast<const float4*>(x + row * D);
    float sum = 0, squares = 0;
    for (int j = lane; j < D / 4; j += 32) {
        float4 v = in[j];
        sum += v.x + v.y + v.z + v.w;
    }
    float mu = warp_sum(sum) / D;
    for (int j = lane; j < D; j += 32) squares += (x[row * D + j] - mu) * (x[row * D + j] - mu);
    float rstd = rsqrtf(warp_sum(squares) / D + eps);
    for (int j = lane; j < D; j += 32) y[row * D + j] = (x[row * D + j] - mu) * rstd * gamma[j];
    if (lane == 0) mean[row] = mu;
}

extern "C" __global__ void dgamma(const float* __restrict__ dy, const float* __restrict__ xhat, float* dgamma,
                                  int rows) {
    __shared__ float partial[8][32];
    int column = blockIdx.x * 32 + threadIdx.x;
    float sum = 0;
    for (int row = blockIdx.y * 8 + threadIdx.y; row < rows && column < D; row += gridDim.y * 8)
        sum += dy[row * D + column] * xhat[row * D + column];
    partial[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || column >= D) return;
    for (int i = 1; i < 8; ++i) sum += partial[i][threadIdx.x];
    atomicAdd(&dgamma[column], sum);
}
