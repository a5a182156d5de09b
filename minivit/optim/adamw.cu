// One step of Adam or AdamW over a whole group of parameters: see optimizers.py for the formulas.
//
// p, g, m, v: parameters, gradients and the two running means, flat. factor: one number on the device, by which every
// gradient is multiplied (clipping). Where it is not finite the step changes nothing: the host need not wait to know.
// decay: weight_decay for Adam, else 0. rest1, rest2: 1 - beta, of which float32 would lose digits. numbers: shrink,
// 1 - lr * weight_decay for AdamW, else 1; step_size, lr / (1 - beta1^t); root_scale, 1 / sqrt(1 - beta2^t). They change
// from step to step, and lie in memory so that a recorded launch finds those of each.

extern "C" __global__ void __launch_bounds__(256) adam_step(
    float* __restrict__ p, const float* __restrict__ g, float* __restrict__ m, float* __restrict__ v,
    const float* __restrict__ factor, const double* __restrict__ numbers, long long size, float decay, float beta1,
    float rest1, float beta2, float rest2, float eps)
{
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size || !isfinite(*factor))
        return;
    float shrink = numbers[0], step_size = numbers[1], root_scale = numbers[2];
    float gradient = g[i] * *factor + decay * p[i];
    m[i] = beta1 * m[i] + rest1 * gradient;
    v[i] = beta2 * v[i] + rest2 * gradient * gradient;
    p[i] = shrink * p[i] - step_size * m[i] / (sqrtf(v[i]) * root_scale + eps);
}
