// Cross-entropy of logits x (B, Y) with target rows (B, Y), log-softmax included: see cross_entropy.py for formulas.

#include "rows.cuh"

// losses: (B,), of each image alone; one more launch adds them up.
extern "C" __global__ void __launch_bounds__(128, 12) cross_entropy_forward(
    const float* __restrict__ x, const float* __restrict__ rows, float* __restrict__ logp, float* __restrict__ losses,
    int B, int Y)
{
    long long b = row_of_group();
    if (b >= B)
        return;
    x += b * Y;
    rows += b * Y;
    logp += b * Y;
    bool fours = by_fours(Y, x, rows, logp);
    float2 m_sum = max_and_sum(x, Y, fours);
    float log_sum = logf(m_sum.y), loss = 0;
    for (int start = 0; start < Y; start += STEP) {
        Four v = load4(x, start, Y, fours, m_sum.x), t = load4(rows, start, Y, fours, 0);
        for (int i = 0; i < 4; i++) {
            v.of[i] = v.of[i] - m_sum.x - log_sum;
            loss -= v.of[i] * t.of[i];
        }
        store4(logp, v, start, Y, fours);
    }
    loss = row_sum(loss);
    if (lane() == 0)
        losses[b] = loss;
}

// loss = sum of losses / images, by one group: always in the same order, so that runs can be repeated to the bit.
extern "C" __global__ void __launch_bounds__(128, 12) cross_entropy_total(
    const float* __restrict__ losses, float* __restrict__ loss, int B, int images)
{
    float sum = 0;
    for (int b = lane(); b < B; b += GROUP)
        sum += losses[b];
    sum = row_sum(sum);
    if (lane() == 0)
        *loss = sum / images;
}

extern "C" __global__ void __launch_bounds__(128, 12) cross_entropy_backward(
    const float* __restrict__ dloss, const float* __restrict__ logp, const float* __restrict__ rows,
    float* __restrict__ dx, int B, int Y, int images)
{
    long long b = row_of_group();
    if (b >= B)
        return;
    logp += b * Y;
    rows += b * Y;
    dx += b * Y;
    bool fours = by_fours(Y, logp, rows, dx);
    float sum = 0;                                                  // 1, where the targets are probabilities
    for (int start = 0; start < Y; start += STEP) {
        Four t = load4(rows, start, Y, fours, 0);
        for (int i = 0; i < 4; i++)
            sum += t.of[i];
    }
    sum = row_sum(sum);
    float scale = *dloss / images;
    for (int start = 0; start < Y; start += STEP) {
        Four v = load4(logp, start, Y, fours, 0), t = load4(rows, start, Y, fours, 0);
        for (int i = 0; i < 4; i++)
            v.of[i] = (expf(v.of[i]) * sum - t.of[i]) * scale;
        store4(dx, v, start, Y, fours);
    }
}
