// Softmax and log-softmax of every row of x (rows, n): see softmax.py for the formulas.

#include "rows.cuh"

extern "C" __global__ void __launch_bounds__(128, 12) softmax_forward(
    const float* __restrict__ x, float* __restrict__ y, int rows, int n)
{
    long long row = row_of_group();
    if (row >= rows)
        return;
    x += row * n;
    y += row * n;
    bool fours = by_fours(n, x, y);
    float2 m_sum = max_and_sum(x, n, fours);
    float scale = 1 / m_sum.y;
    for (int start = 0; start < n; start += STEP) {
        Four v = load4(x, start, n, fours, 0);
        for (int i = 0; i < 4; i++)
            v.of[i] = expf(v.of[i] - m_sum.x) * scale;
        store4(y, v, start, n, fours);
    }
}

extern "C" __global__ void __launch_bounds__(128, 12) softmax_backward(
    const float* __restrict__ dy, const float* __restrict__ y, float* __restrict__ dx, int rows, int n)
{
    long long row = row_of_group();
    if (row >= rows)
        return;
    dy += row * n;
    y += row * n;
    dx += row * n;
    bool fours = by_fours(n, dy, y, dx);
    float sum = 0;                                                  // sum_j dy_j y_j
    for (int start = 0; start < n; start += STEP) {
        Four dyv = load4(dy, start, n, fours, 0), yv = load4(y, start, n, fours, 0);
        for (int i = 0; i < 4; i++)
            sum += dyv.of[i] * yv.of[i];
    }
    sum = row_sum(sum);
    for (int start = 0; start < n; start += STEP) {
        Four dyv = load4(dy, start, n, fours, 0), yv = load4(y, start, n, fours, 0), dxv;
        for (int i = 0; i < 4; i++)
            dxv.of[i] = yv.of[i] * (dyv.of[i] - sum);
        store4(dx, dxv, start, n, fours);
    }
}

extern "C" __global__ void __launch_bounds__(128, 12) log_softmax_forward(
    const float* __restrict__ x, float* __restrict__ y, int rows, int n)
{
    long long row = row_of_group();
    if (row >= rows)
        return;
    x += row * n;
    y += row * n;
    bool fours = by_fours(n, x, y);
    float2 m_sum = max_and_sum(x, n, fours);
    float log_sum = logf(m_sum.y);
    for (int start = 0; start < n; start += STEP) {
        Four v = load4(x, start, n, fours, 0);
        for (int i = 0; i < 4; i++)
            v.of[i] = v.of[i] - m_sum.x - log_sum;
        store4(y, v, start, n, fours);
    }
}

extern "C" __global__ void __launch_bounds__(128, 12) log_softmax_backward(
    const float* __restrict__ dy, const float* __restrict__ y, float* __restrict__ dx, int rows, int n)
{
    long long row = row_of_group();
    if (row >= rows)
        return;
    dy += row * n;
    y += row * n;
    dx += row * n;
    bool fours = by_fours(n, dy, y, dx);
    float sum = 0;                                                  // sum_j dy_j
    for (int start = 0; start < n; start += STEP) {
        Four dyv = load4(dy, start, n, fours, 0);
        for (int i = 0; i < 4; i++)
            sum += dyv.of[i];
    }
    sum = row_sum(sum);
    for (int start = 0; start < n; start += STEP) {
        Four dyv = load4(dy, start, n, fours, 0), yv = load4(y, start, n, fours, 0), dxv;
        for (int i = 0; i < 4; i++)
            dxv.of[i] = dyv.of[i] - expf(yv.of[i]) * sum;
        store4(dx, dxv, start, n, fours);
    }
}
