// The sum of every row, in CUDA: a block of 128 threads to each row.
//
//     y_i = sum_j x_ij
//
// x (rows, n) and y (rows) lie in global memory, the rows of x one after the other. Block blockIdx.x has row
// blockIdx.x; n may be smaller than 128, or larger, and no multiple of it.
//
// Three steps: each thread adds up some of the row's numbers, neighbouring threads taking neighbouring numbers; each
// warp adds up its 32 sums by shuffles; the 4 sums of the warps meet in shared memory, past a barrier.
//
// It is launched as cuda_row_sum<<<rows, 128>>>(x, y, n); until then y holds nan.

constexpr unsigned WARP = 0xffffffff;               // all 32 lanes take part in a shuffle

extern "C" __global__ void cuda_row_sum(const float* x, float* y, int n)
{
    __shared__ float of_warp[4];
    x += blockIdx.x * n;
    float sum = 0;
    for (int j = threadIdx.x; j < n; j += 128)
        sum += x[j];
    for (int distance = 16; distance > 0; distance /= 2)
        sum += __shfl_xor_sync(WARP, sum, distance);
    if (threadIdx.x % 32 == 0)
        of_warp[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        sum = 0;
        for (int warp = 0; warp < 4; warp++)
            sum += of_warp[warp];
        y[blockIdx.x] = sum;
    }
}
