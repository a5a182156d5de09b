// c = a @ b of (M, K) and (K, N): each block computes one tile from tiles of a and b in shared memory.
extern "C" __global__ void matmul(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c,
                                  int M, int N, int K) {
    __shared__ float a_tile[TILE][TILE], b_tile[TILE][TILE];
    int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * TILE + y, column = blockIdx.x * TILE + x;
    float sum = 0;
    for (int k = 0; k < K; k += TILE) {
        a_tile[y][x] = row < M && k + x < K ? a[row * K + k + x] : 0;
        b_tile[y][x] = k + y < K && column < N ? b[(k + y) * N + column] : 0;
        __syncthreads();
        for (int i = 0; i < TILE; ++i) sum += a_tile[y][i] * b_tile[i][x];
        __syncthreads();
    }
    if (row < M && column < N) c[row * N + column] = sum;
}
