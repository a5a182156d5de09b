// The second stage of a sum over rows: partial (slices, n) -> total (n,), always in the same order. Atomic additions
// would do it in one stage, but in another order, and so with other rounding, each time.

// Blocks of 32 x 16 threads: 32 neighbouring columns, 16 threads to each.
extern "C" __global__ void __launch_bounds__(512) column_sums(
    const float* __restrict__ partial, float* __restrict__ total, int slices, int n)
{
    __shared__ float sums[16][32];
    int column = blockIdx.x * 32 + threadIdx.x;
    float sum = 0;
    for (int slice = threadIdx.y; slice < slices && column < n; slice += 16)
        sum += partial[(long long)slice * n + column];
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < n) {
        for (int y = 1; y < 16; y++)
            sum += sums[y][threadIdx.x];
        total[column] = sum;
    }
}
