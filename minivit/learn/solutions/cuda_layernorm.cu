// Layer norm of every token, in CUDA: a warp of 32 threads to each token.
//
//     y_ij = (x_ij - mean_i) / sqrt(var_i + eps) * gamma_j + beta_j
//
// x and y (rows, D), gamma and beta (D) lie in global memory. mean and var are of the D numbers of one token, var by
// 1 / D. A block of 128 threads has four tokens: warp threadIdx.x / 32 of block blockIdx.x has token
// 4 blockIdx.x + threadIdx.x / 32. The last block may have fewer tokens than warps.
//
// The mean needs a sum over the token, of which every lane must get the result; var needs another, of (x - mean)^2.
// (The mean of x^2 minus the square of the mean is the same on paper, and loses all digits for tokens far from 0.)
//
// It is launched as cuda_layernorm<<<(rows + 3) / 4, 128>>>(x, gamma, beta, y, rows, D, eps); until then y holds nan.

constexpr unsigned WARP = 0xffffffff;               // all 32 lanes take part in a shuffle

extern "C" __global__ void cuda_layernorm(const float* x, const float* gamma, const float* beta, float* y, int rows,
                                          int D, float eps)
{
    int lane = threadIdx.x % 32, row = 4 * blockIdx.x + threadIdx.x / 32;
    if (row >= rows)
        return;
    x += row * D;
    y += row * D;
    float sum = 0;
    for (int j = lane; j < D; j += 32)
        sum += x[j];
    for (int distance = 16; distance > 0; distance /= 2)
        sum += __shfl_xor_sync(WARP, sum, distance);
    float mean = sum / D, squares = 0;
    for (int j = lane; j < D; j += 32)
        squares += (x[j] - mean) * (x[j] - mean);
    for (int distance = 16; distance > 0; distance /= 2)
        squares += __shfl_xor_sync(WARP, squares, distance);
    float rstd = 1 / sqrtf(squares / D + eps);
    for (int j = lane; j < D; j += 32)
        y[j] = (x[j] - mean) * rstd * gamma[j] + beta[j];
}
