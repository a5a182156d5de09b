// Layer norm of every row of x (rows, n): see layernorm.py for the formulas.

#include "rows.cuh"
#include "column_sums.cuh"

// mean, rest and rstd: (rows,). The mean as float32 rounds it leaves an offset, which matters for tokens far from 0:
// `rest` is the mean of x - mean, and costs no further reading of the row.
extern "C" __global__ void __launch_bounds__(128, 12) layernorm_forward(
    const float* __restrict__ x, const float* __restrict__ gamma, const float* __restrict__ beta,
    float* __restrict__ y, float* __restrict__ mean, float* __restrict__ rest, float* __restrict__ rstd, int rows,
    int n, float eps)
{
    long long row = row_of_group();
    if (row >= rows)
        return;
    x += row * n;
    y += row * n;
    bool fours = by_fours(n, x, y) && by_fours(n, gamma, beta);
    float sum = 0;
    for (int start = 0; start < n; start += STEP) {
        Four v = load4(x, start, n, fours, 0);
        for (int i = 0; i < 4; i++)
            sum += v.of[i];
    }
    float centre = row_sum(sum) / n, squares = 0;
    sum = 0;
    for (int start = 0; start < n; start += STEP) {
        Four v = load4(x, start, n, fours, centre);                 // what lies beyond the row adds 0
        for (int i = 0; i < 4; i++) {
            float centred = v.of[i] - centre;
            sum += centred;
            squares += centred * centred;
        }
    }
    float left = row_sum(sum) / n;
    float variance = fmaxf(row_sum(squares) / n - left * left, 0);
    float scale = 1 / sqrtf(variance + eps);
    for (int start = 0; start < n; start += STEP) {
        Four v = load4(x, start, n, fours, 0);
        Four g = load4(gamma, start, n, fours, 0), b = load4(beta, start, n, fours, 0);
        for (int i = 0; i < 4; i++) {
            float xhat = (v.of[i] - centre - left) * scale;
            v.of[i] = xhat * g.of[i] + b.of[i];
        }
        store4(y, v, start, n, fours);
    }
    if (lane() == 0) {
        mean[row] = centre;
        rest[row] = left;
        rstd[row] = scale;
    }
}

// dx, and of each block the sums over its rows that dgamma and dbeta are made of: partial (blocks, 2, n).
// Shared memory: (groups in a block, 2, n) numbers.
extern "C" __global__ void __launch_bounds__(128, 9) layernorm_backward(
    const float* __restrict__ dy, const float* __restrict__ x, const float* __restrict__ gamma,
    const float* __restrict__ mean, const float* __restrict__ rest, const float* __restrict__ rstd,
    float* __restrict__ dx, float* __restrict__ partial, int rows, int n)
{
    extern __shared__ __align__(16) float sums[];
    int groups = blockDim.x / GROUP;
    float *dgamma = sums + threadIdx.x / GROUP * 2 * n, *dbeta = dgamma + n;
    bool fours = by_fours(n, dy, x, dx) && by_fours(n, gamma, gamma);
    Four zeros = {};
    for (int start = 0; start < n; start += STEP) {                 // each thread its own columns: no barrier needed
        store4(dgamma, zeros, start, n, fours);
        store4(dbeta, zeros, start, n, fours);
    }
    for (long long row = row_of_group(); row < rows; row += (long long)gridDim.x * groups) {
        const float *dy_row = dy + row * n, *x_row = x + row * n;
        float sum = 0, sum_along_xhat = 0;                          // of dxhat, and of dxhat * xhat
        for (int start = 0; start < n; start += STEP) {
            Four d = load4(dy_row, start, n, fours, 0), v = load4(x_row, start, n, fours, 0);
            Four g = load4(gamma, start, n, fours, 0);
            Four dg = load4(dgamma, start, n, fours, 0), db = load4(dbeta, start, n, fours, 0);
            for (int i = 0; i < 4; i++) {
                float xhat = (v.of[i] - mean[row] - rest[row]) * rstd[row], dxhat = d.of[i] * g.of[i];
                sum += dxhat;
                sum_along_xhat += dxhat * xhat;
                dg.of[i] += d.of[i] * xhat;
                db.of[i] += d.of[i];
            }
            store4(dgamma, dg, start, n, fours);
            store4(dbeta, db, start, n, fours);
        }
        float mean_dxhat = row_sum(sum) / n, mean_along_xhat = row_sum(sum_along_xhat) / n;
        for (int start = 0; start < n; start += STEP) {
            Four d = load4(dy_row, start, n, fours, 0), v = load4(x_row, start, n, fours, 0);
            Four g = load4(gamma, start, n, fours, 0);
            for (int i = 0; i < 4; i++) {
                float xhat = (v.of[i] - mean[row] - rest[row]) * rstd[row], dxhat = d.of[i] * g.of[i];
                d.of[i] = rstd[row] * (dxhat - mean_dxhat - xhat * mean_along_xhat);
            }
            store4(dx + row * n, d, start, n, fours);
        }
    }
    __syncthreads();
    for (int j = threadIdx.x; j < 2 * n; j += blockDim.x) {
        float sum = 0;
        for (int group = 0; group < groups; group++)
            sum += sums[group * 2 * n + j];
        partial[blockIdx.x * 2LL * n + j] = sum;
    }
}
