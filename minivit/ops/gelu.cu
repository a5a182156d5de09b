// GELU of x, and of x (rows, n) plus a bias (n,): see gelu.py for the formulas. Backward computes the slope from x
// again: that is cheaper than one more array to write and to read.

#include "rows.cuh"
#include "column_sums.cuh"

constexpr float CUBIC = 0.044715f;
constexpr float SLOPE = 0.79788456f;                // sqrt(2 / pi)
constexpr float ROOT_HALF = 0.70710678f;            // sqrt(1 / 2)

__device__ __forceinline__ float gelu(float x, bool exact)
{
    if (exact)
        return 0.5f * x * (1 + erff(x * ROOT_HALF));
    return 0.5f * x * (1 + tanhf(SLOPE * x * (1 + CUBIC * x * x)));
}

__device__ __forceinline__ float slope(float x, bool exact)
{
    if (exact)                                      // SLOPE / 2 is 1 / sqrt(2 pi)
        return 0.5f * (1 + erff(x * ROOT_HALF)) + x * expf(-0.5f * x * x) * (0.5f * SLOPE);
    float tanh = tanhf(SLOPE * x * (1 + CUBIC * x * x));
    return 0.5f * (1 + tanh) + 0.5f * x * (1 - tanh * tanh) * SLOPE * (1 + 3 * CUBIC * x * x);
}

// A block takes STEP numbers of x, as if they were a row.
extern "C" __global__ void __launch_bounds__(128) gelu_forward(
    const float* __restrict__ x, float* __restrict__ y, long long size, bool exact)
{
    long long first = (long long)blockIdx.x * STEP;
    int n = min(size - first, (long long)STEP);
    x += first;
    y += first;
    bool fours = by_fours(n, x, y);
    Four v = load4(x, 0, n, fours, 0);
    for (int i = 0; i < 4; i++)
        v.of[i] = gelu(v.of[i], exact);
    store4(y, v, 0, n, fours);
}

extern "C" __global__ void __launch_bounds__(128) gelu_backward(
    const float* __restrict__ dy, const float* __restrict__ x, float* __restrict__ dx, long long size, bool exact)
{
    long long first = (long long)blockIdx.x * STEP;
    int n = min(size - first, (long long)STEP);
    dy += first;
    x += first;
    dx += first;
    bool fours = by_fours(n, dy, x, dx);
    Four d = load4(dy, 0, n, fours, 0), v = load4(x, 0, n, fours, 0);
    for (int i = 0; i < 4; i++)
        d.of[i] *= slope(v.of[i], exact);
    store4(dx, d, 0, n, fours);
}

// Blocks: (parts of STEP columns, slices of the rows). A thread keeps its four columns from row to row.
extern "C" __global__ void __launch_bounds__(128) bias_gelu_forward(
    const float* __restrict__ x, const float* __restrict__ bias, float* __restrict__ y, int rows, int n, bool exact)
{
    int start = blockIdx.x * STEP;
    bool fours = by_fours(n, x, bias, y);
    Four b = load4(bias, start, n, fours, 0);
    for (long long row = blockIdx.y; row < rows; row += gridDim.y) {
        Four v = load4(x + row * n, start, n, fours, 0);
        for (int i = 0; i < 4; i++)
            v.of[i] = gelu(v.of[i] + b.of[i], exact);
        store4(y + row * n, v, start, n, fours);
    }
}

// partial: (slices, n), the sums over the rows of each slice that dbias is made of
extern "C" __global__ void __launch_bounds__(128) bias_gelu_backward(
    const float* __restrict__ dy, const float* __restrict__ x, const float* __restrict__ bias, float* __restrict__ dx,
    float* __restrict__ partial, int rows, int n, bool exact)
{
    int start = blockIdx.x * STEP;
    bool fours = by_fours(n, dy, x, dx) && by_fours(n, bias, partial);
    Four b = load4(bias, start, n, fours, 0), dbias = {};
    for (long long row = blockIdx.y; row < rows; row += gridDim.y) {
        Four d = load4(dy + row * n, start, n, fours, 0), v = load4(x + row * n, start, n, fours, 0);
        for (int i = 0; i < 4; i++) {
            d.of[i] *= slope(v.of[i] + b.of[i], exact);
            dbias.of[i] += d.of[i];
        }
        store4(dx + row * n, d, start, n, fours);
    }
    store4(partial + (long long)blockIdx.y * n, dbias, start, n, fours);
}
