// y (columns, rows) = x (rows, columns) transposed: through a tile, so that both sides are read and written in rows.
extern "C" __global__ void transpose(const float* __restrict__ x, float* __restrict__ y, int rows, int columns) {
    __shared__ float tile[32][33];
    int column = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 32 + threadIdx.x;
    for (int i = threadIdx.y; i < 32; i += blockDim.y)
        if (blockIdx.y * 32 + i < rows && column < columns)
            tile[i][threadIdx.x] = x[(blockIdx.y * 32 + i) * columns + column];
    __syncthreads();
    for (int i = threadIdx.y; i < 32; i += blockDim.y)
        if (blockIdx.x * 32 + i < columns && row < rows) y[(blockIdx.x * 32 + i) * rows + row] = tile[threadIdx.x][i];
}
