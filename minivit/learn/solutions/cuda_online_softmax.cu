// The softmax of every row, in CUDA: a warp of 32 threads to each row, which is read twice and not three times.
//
//     y_ij = exp(x_ij - m_i) / s_i        m_i = max_j x_ij, s_i = sum_j exp(x_ij - m_i)
//
// x and y (rows, n) lie in global memory. A block of 128 threads has four rows: warp threadIdx.x / 32 of block
// blockIdx.x has row 4 blockIdx.x + threadIdx.x / 32. The last block may have fewer rows than warps.
//
// The first reading finds m and s together. Each thread keeps the largest number m of those that it has seen, and the
// sum s of their exp(number - m); where it meets a larger number, s has to shrink. Then lanes merge their (m, s) by
// shuffles, in the same way. n may be smaller than 32: then some lanes have seen no number at all. The second reading
// writes y.
//
// It is launched as cuda_online_softmax<<<(rows + 3) / 4, 128>>>(x, y, rows, n); until then y holds nan.

constexpr unsigned WARP = 0xffffffff;               // all 32 lanes take part in a shuffle
constexpr float LOWEST = -3.4e38f;                  // the maximum of no numbers: unlike -inf it can be subtracted

extern "C" __global__ void cuda_online_softmax(const float* x, float* y, int rows, int n)
{
    int lane = threadIdx.x % 32, row = 4 * blockIdx.x + threadIdx.x / 32;
    if (row >= rows)
        return;
    x += row * n;
    y += row * n;
    float m = LOWEST, s = 0;
    for (int j = lane; j < n; j += 32) {
        float larger = fmaxf(m, x[j]);
        s = s * expf(m - larger) + expf(x[j] - larger);
        m = larger;
    }
    for (int distance = 16; distance > 0; distance /= 2) {
        float other_m = __shfl_xor_sync(WARP, m, distance), other_s = __shfl_xor_sync(WARP, s, distance);
        float larger = fmaxf(m, other_m);
        s = s * expf(m - larger) + other_s * expf(other_m - larger);
        m = larger;
    }
    for (int j = lane; j < n; j += 32)
        y[j] = expf(x[j] - m) / s;
}
