// softmax(q k^T / sqrt(K)) v for one head of (N, K): a warp per query, keys in tiles of 32, softmax as they come.
extern "C" __global__ void attention(const float* __restrict__ q, const float* __restrict__ k,
                                     const float* __restrict__ v, float* __restrict__ y, int N) {
    extern __shared__ float memory[];
    float* keys = memory;                               // (32, K + 1): the column more avoids bank conflicts
    float* values = keys + 32 * (K + 1);                // (32, K)
    float* queries = values + 32 * K;                   // (warps, K)
    float* weights = queries + blockDim.y * K;          // (warps, 32)
    int lane = threadIdx.x, warp = threadIdx.y, row = blockIdx.x * blockDim.y + warp;
    float* query = queries + warp * K;
    float* weight = weights + warp * 32;
    for (int d = lane; d < K; d += 32) query[d] = row < N ? q[row * K + d] * rsqrtf(K) : 0;
    float m = -__int_as_float(0x7f800000), sum = 0, out[(K + 31) / 32] = {};
    for (int start = 0; start < N; start += 32) {
        for (int i = threadIdx.y * 32 + lane; i < 32 * K; i += blockDim.y * 32) {
            int key = start + i / K;
            keys[i / K * (K + 1) + i % K] = key < N ? k[key * K + i % K] : 0;
            values[i] = key < N ? v[key * K + i % K] : 0;
        }
        __syncthreads();
        float score = 0;
        for (int d = 0; d < K; ++d) score += query[d] * keys[lane * (K + 1) + d];
        if (start + lane >= N) score = -__int_as_float(0x7f800000);
        float m_new = score;
        for (int offset = 16; offset > 0; offset /= 2) m_new = fmaxf(m_new, __shfl_xor_sync(0xffffffff, m_new, offset));
        m_new = fmaxf(m_new, m);
        float scale = __expf(m - m_new), p = __expf(score - m_new);
        weight[lane] = p;
        for (int offset = 16; offset > 0; offset /= 2) p += __shfl_xor_sync(0xffffffff, p, offset);
        sum = sum * scale + p;
        m = m_new;
        __syncwarp();
        for (int d = lane, i = 0; d < K; d += 32, ++i) {
            out[i] *= scale;
            for (int j = 0; j < 32; ++j) out[i] += weight[j] * values[j * K + d];
        }
        __syncthreads();
    }
    for (int d = lane, i = 0; d < K && row < N; d += 32, ++i) y[row * K + d] = out[i] / sum;
}
