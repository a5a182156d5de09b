// Attention in tiles: see attention.py for the formulas. The scores (B, H, N, M) never lie in memory.
//
// A block of 128 threads owns ROWS rows of one head (queries, or in attention_backward_kv keys) and goes through the
// columns (keys, or queries) COLS at a time, all in shared memory:
//
//     rows (ROWS, K) one or two tiles, which stay        columns (COLS, K), one tile after the other in the same place
//     weights (ROWS, COLS)
//
// Threads stand in 8 rows of 16, (ty, tx). Thread (ty, tx) computes the scores of rows ty + 8 i with columns tx + 16 j,
// and the numbers 2 tx + 32 c and 2 tx + 32 c + 1 of result row ty + 8 i: a number once loaded from shared memory
// serves several products, and neighbouring threads use neighbouring banks.
//
// The softmax is taken online (Milakov and Gimelshein 2018, arXiv 1805.02867): a larger maximum, found later, shrinks
// what was added up before. Backward computes the weights again from each row's log-sum-exp (Dao et al. 2022,
// arXiv 2205.14135, algorithms 1 and 4).
//
// The launcher sets WIDTH, K rounded up to a multiple of 32, and with it ROWS and COLS so that 64 KB are enough. Arrays
// live in registers only if the loops over them are unrolled: a pragma stands where the compiler would not do it.

#include "philox.cuh"

constexpr int THREADS = 128;
constexpr int R = ROWS / 8, C = COLS / 16, PAIRS = WIDTH / 32;      // of each thread
constexpr int STRIDE = WIDTH + 4;                   // of a tile's rows: two of them then begin in different banks
constexpr int WEIGHTS_STRIDE = COLS % 32 ? COLS : COLS + 16;        // likewise
constexpr unsigned WARP = 0xffffffff;

__device__ __forceinline__ float infinity() { return __int_as_float(0x7f800000); }
__device__ __forceinline__ int tx() { return threadIdx.x % 16; }
__device__ __forceinline__ int ty() { return threadIdx.x / 16; }

// Rows first ... first + count - 1 of a matrix (rows, K), which lie `stride` apart, into a tile; 0 beyond the matrix.
__device__ __forceinline__ void load(float* tile, const float* matrix, long long stride, int first, int count,
                                     int rows, int K)
{
    bool fours = (K | stride) % 4 == 0 && (size_t)matrix % 16 == 0;
    for (int e = threadIdx.x; e < count * (WIDTH / 4); e += THREADS) {
        int row = e / (WIDTH / 4), k = e % (WIDTH / 4) * 4;
        const float* from = matrix + (first + row) * stride + k;
        float4 four = make_float4(0, 0, 0, 0);
        if (first + row < rows && k < K) {
            if (fours)
                four = *(const float4*)from;
            else {
                four.x = from[0];                           // strided: K is no multiple of 4, as in no ViT
                four.y = k + 1 < K ? from[1] : 0;           // strided: likewise
                four.z = k + 2 < K ? from[2] : 0;           // strided: likewise
                four.w = k + 3 < K ? from[3] : 0;           // strided: likewise
            }
        }
        *(float4*)(tile + row * STRIDE + k) = four;
    }
}

// sum + a . b, as four fused multiplications and additions
__device__ __forceinline__ float add_dot(float sum, float4 a, float4 b)
{
    sum += a.x * b.x;
    sum += a.y * b.y;
    sum += a.z * b.z;
    sum += a.w * b.w;
    return sum;
}

// s[i][j] += sum_k rows[ty + 8 i][k] * columns[tx + 16 j][k]
__device__ __forceinline__ void add_products(float (&s)[R][C], const float* rows, const float* columns)
{
    #pragma unroll 2
    for (int k = 0; k < WIDTH; k += 4) {
        float4 a[R], b[C];
        for (int i = 0; i < R; i++)
            a[i] = *(const float4*)(rows + (ty() + 8 * i) * STRIDE + k);
        for (int j = 0; j < C; j++)
            b[j] = *(const float4*)(columns + (tx() + 16 * j) * STRIDE + k);
        for (int i = 0; i < R; i++)
            for (int j = 0; j < C; j++)
                s[i][j] = add_dot(s[i][j], a[i], b[j]);
    }
}

__device__ __forceinline__ void put_weights(float* weights, const float (&s)[R][C])
{
    for (int i = 0; i < R; i++)
        for (int j = 0; j < C; j++)
            weights[(ty() + 8 * i) * WEIGHTS_STRIDE + tx() + 16 * j] = s[i][j];
}

// out[i] += sum over the first `count` columns m of weights[ty + 8 i][m] * columns[m]
__device__ __forceinline__ void add_weighted(float2 (&out)[R][PAIRS], const float* weights, const float* columns,
                                             int count)
{
    for (int m = 0; m < count; m += 4) {            // beyond the count, up to COLS, weights are 0
        float4 w[R];
        for (int i = 0; i < R; i++)
            w[i] = *(const float4*)(weights + (ty() + 8 * i) * WEIGHTS_STRIDE + m);
        for (int c = 0; c < PAIRS; c++) {
            float2 pair[4];
            for (int l = 0; l < 4; l++)
                pair[l] = *(const float2*)(columns + (m + l) * STRIDE + 2 * tx() + 32 * c);
            float4 x = make_float4(pair[0].x, pair[1].x, pair[2].x, pair[3].x);
            float4 y = make_float4(pair[0].y, pair[1].y, pair[2].y, pair[3].y);
            #pragma unroll
            for (int i = 0; i < R; i++) {
                out[i][c].x = add_dot(out[i][c].x, w[i], x);
                out[i][c].y = add_dot(out[i][c].y, w[i], y);
            }
        }
    }
}

// Result rows first + ty + 8 i into a matrix (rows, K).
__device__ __forceinline__ void store(float* matrix, long long stride, const float2 (&out)[R][PAIRS], int first,
                                      int rows, int K)
{
    bool pairs = (K | stride) % 2 == 0 && (size_t)matrix % 8 == 0;
    for (int i = 0; i < R; i++)
        for (int c = 0; c < PAIRS; c++) {
            int row = first + ty() + 8 * i, k = 2 * tx() + 32 * c;
            if (row >= rows || k >= K)
                continue;
            if (pairs)
                *(float2*)(matrix + row * stride + k) = out[i][c];
            else {
                matrix[row * stride + k] = out[i][c].x;                     // strided: K is odd, as in no ViT
                if (k + 1 < K)
                    matrix[row * stride + k + 1] = out[i][c].y;             // strided: likewise
            }
        }
}

// Reductions over the 16 threads that share a row.
__device__ __forceinline__ float row_sum(float value)
{
    for (int distance = 8; distance > 0; distance /= 2)
        value += __shfl_xor_sync(WARP, value, distance);
    return value;
}

__device__ __forceinline__ float row_max(float value)
{
    for (int distance = 8; distance > 0; distance /= 2)
        value = fmaxf(value, __shfl_xor_sync(WARP, value, distance));
    return value;
}

// The scores as a softmax takes them: scaled, and -inf where a query may not look (mask: of one head, or null) or where
// there is no such query or key. transposed: rows are keys, columns queries.
__device__ __forceinline__ void finish_scores(float (&s)[R][C], float scale, const bool* mask, int stride_n,
                                              int stride_m, int first_row, int first_column, bool transposed, int N,
                                              int M)
{
    #pragma unroll
    for (int i = 0; i < R; i++)
        #pragma unroll
        for (int j = 0; j < C; j++) {
            int row = first_row + ty() + 8 * i, column = first_column + tx() + 16 * j;
            int query = transposed ? column : row, key = transposed ? row : column;
            bool looks = query < N && key < M;
            if (mask != nullptr && looks)
                looks = mask[query * stride_n + key * stride_m];    // strided: in attention_backward_kv
            s[i][j] = looks ? s[i][j] * scale : -infinity();
        }
}

// What dropout keeps of the weights of `queries` queries with `keys` keys, eight bits a byte: (queries, keys / 8 + 1).
// The numbers of an image lie as (H, N, M), so a row's first one may stand anywhere in its block.
__device__ __forceinline__ void draw(unsigned char* kept, int queries, int keys, long long first_number, int M,
                                     unsigned long long seed, unsigned long long place, unsigned long long block,
                                     unsigned long long step, float p)
{
    int bytes = keys / 8 + 1;
    for (int e = threadIdx.x; e < queries * bytes; e += THREADS) {
        unsigned long long number = first_number + (long long)(e / bytes) * M;
        kept[e] = kept_of_block(seed, place, block + number / 8 + e % bytes + 1, step, p);
    }
}

__device__ __forceinline__ void drop(float (&s)[R][C], const unsigned char* kept, int keys, unsigned first_number,
                                     int M, float keep_scale, bool transposed)
{
    #pragma unroll
    for (int i = 0; i < R; i++)
        #pragma unroll
        for (int j = 0; j < C; j++) {
            int row = ty() + 8 * i, column = tx() + 16 * j;
            int query = transposed ? column : row, key = transposed ? row : column;
            int bit = (first_number + query * M) % 8 + key;
            s[i][j] *= kept[query * (keys / 8 + 1) + bit / 8] >> bit % 8 & 1 ? keep_scale : 0;
        }
}

// y, and lse (B, H, N), each row's log-sum-exp of the scores.
//
// mask: null, or with strides of 0 where it is broadcast. p: the share of the weights that is dropped; keep_scale:
// 1 / (1 - p); seed, place, first_block, *step: where its numbers begin (see philox.cuh).
// Shared memory: one tile of rows, one of columns, the weights.
extern "C" __global__ void __launch_bounds__(128, 3) attention_forward(
    const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
    const bool* __restrict__ mask, float* __restrict__ y, float* __restrict__ lse,
    int H, int N, int M, int K, float scale,
    long long q_stride_b, long long q_stride_h, long long q_stride_n,
    long long k_stride_b, long long k_stride_h, long long k_stride_m,
    long long v_stride_b, long long v_stride_h, long long v_stride_m,
    long long mask_stride_b, long long mask_stride_h, int mask_stride_n, int mask_stride_m,
    long long y_stride_b, long long y_stride_h, long long y_stride_n,
    float p, float keep_scale, unsigned long long seed, unsigned long long place, unsigned long long first_block,
    const unsigned long long* __restrict__ step)
{
    extern __shared__ __align__(16) float shared[];
    __shared__ unsigned char kept[ROWS * (COLS / 8 + 1)];
    float *queries = shared, *columns = queries + ROWS * STRIDE, *weights = columns + COLS * STRIDE;
    int tiles = (N + ROWS - 1) / ROWS, first = blockIdx.x % tiles * ROWS;
    int head = blockIdx.x / tiles, b = head / H, h = head % H;
    q += b * q_stride_b + h * q_stride_h;
    k += b * k_stride_b + h * k_stride_h;
    v += b * v_stride_b + h * v_stride_h;
    y += b * y_stride_b + h * y_stride_h;
    if (mask != nullptr)
        mask += b * mask_stride_b + h * mask_stride_h;
    first_block += b * (((long long)H * N * M + 7) / 8);

    load(queries, q, q_stride_n, first, ROWS, N, K);
    float m[R], sum[R];
    #pragma unroll
    for (int i = 0; i < R; i++) {
        m[i] = -infinity();
        sum[i] = 0;
    }
    float2 out[R][PAIRS] = {};
    for (int start = 0; start < M; start += COLS) {
        long long first_number = ((long long)h * N + first) * M + start;
        __syncthreads();                                            // the values before may still be being read
        load(columns, k, k_stride_m, start, COLS, M, K);
        if (p > 0)
            draw(kept, ROWS, COLS, first_number, M, seed, place, first_block, *step, p);
        __syncthreads();
        float s[R][C] = {};
        add_products(s, queries, columns);
        finish_scores(s, scale, mask, mask_stride_n, mask_stride_m, first, start, false, N, M);
        #pragma unroll
        for (int i = 0; i < R; i++) {
            float largest = m[i];
            for (int j = 0; j < C; j++)
                largest = fmaxf(largest, s[i][j]);
            largest = row_max(largest);
            float base = largest == -infinity() ? 0 : largest;      // a row that may look nowhere so far
            float shrink = expf(m[i] - base);
            m[i] = largest;
            sum[i] *= shrink;
            for (int c = 0; c < PAIRS; c++) {
                out[i][c].x *= shrink;
                out[i][c].y *= shrink;
            }
            for (int j = 0; j < C; j++) {
                s[i][j] = expf(s[i][j] - base);
                sum[i] += s[i][j];
            }
        }
        if (p > 0)
            drop(s, kept, COLS, first_number, M, keep_scale, false);
        __syncthreads();                                            // every score is done with the keys
        put_weights(weights, s);
        load(columns, v, v_stride_m, start, COLS, M, K);
        __syncthreads();
        add_weighted(out, weights, columns, min(COLS, M - start));
    }
    #pragma unroll
    for (int i = 0; i < R; i++) {
        int query = first + ty() + 8 * i;
        float total = row_sum(sum[i]), factor = total > 0 ? 1 / total : 0;
        for (int c = 0; c < PAIRS; c++) {
            out[i][c].x *= factor;
            out[i][c].y *= factor;
        }
        if (tx() == 0 && query < N)
            lse[(long long)head * N + query] = total > 0 ? m[i] + logf(total) : 0;
    }
    store(y, y_stride_n, out, first, N, K);
}

// dq, and dot (B, H, N), of each query sum_k dy_k y_k, which attention_backward_kv needs too.
// Shared memory: two tiles of rows, one of columns, the weights.
extern "C" __global__ void __launch_bounds__(128, 3) attention_backward_q(
    const float* __restrict__ dy, const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
    const bool* __restrict__ mask, const float* __restrict__ y, const float* __restrict__ lse, float* __restrict__ dq,
    float* __restrict__ dot, int H, int N, int M, int K, float scale,
    long long dy_stride_b, long long dy_stride_h, long long dy_stride_n,
    long long q_stride_b, long long q_stride_h, long long q_stride_n,
    long long k_stride_b, long long k_stride_h, long long k_stride_m,
    long long v_stride_b, long long v_stride_h, long long v_stride_m,
    long long mask_stride_b, long long mask_stride_h, int mask_stride_n, int mask_stride_m,
    long long y_stride_b, long long y_stride_h, long long y_stride_n,
    long long dq_stride_b, long long dq_stride_h, long long dq_stride_n,
    float p, float keep_scale, unsigned long long seed, unsigned long long place, unsigned long long first_block,
    const unsigned long long* __restrict__ step)
{
    extern __shared__ __align__(16) float shared[];
    __shared__ unsigned char kept[ROWS * (COLS / 8 + 1)];
    float *queries = shared, *dys = queries + ROWS * STRIDE, *columns = dys + ROWS * STRIDE;
    float *weights = columns + COLS * STRIDE;
    int tiles = (N + ROWS - 1) / ROWS, first = blockIdx.x % tiles * ROWS;
    int head = blockIdx.x / tiles, b = head / H, h = head % H;
    dy += b * dy_stride_b + h * dy_stride_h;
    q += b * q_stride_b + h * q_stride_h;
    k += b * k_stride_b + h * k_stride_h;
    v += b * v_stride_b + h * v_stride_h;
    y += b * y_stride_b + h * y_stride_h;
    dq += b * dq_stride_b + h * dq_stride_h;
    if (mask != nullptr)
        mask += b * mask_stride_b + h * mask_stride_h;
    first_block += b * (((long long)H * N * M + 7) / 8);

    load(queries, q, q_stride_n, first, ROWS, N, K);
    load(dys, dy, dy_stride_n, first, ROWS, N, K);
    float lse_of[R], dot_of[R];
    #pragma unroll
    for (int i = 0; i < R; i++) {
        int query = first + ty() + 8 * i;
        float sum = 0;
        for (int n = tx(); n < K && query < N; n += 16)
            sum += dy[query * dy_stride_n + n] * y[query * y_stride_n + n];     // strided: rows of less than a sector
        dot_of[i] = row_sum(sum);
        lse_of[i] = query < N ? lse[(long long)head * N + query] : 0;
        if (tx() == 0 && query < N)
            dot[(long long)head * N + query] = dot_of[i];
    }
    float2 out[R][PAIRS] = {};
    for (int start = 0; start < M; start += COLS) {
        long long first_number = ((long long)h * N + first) * M + start;
        __syncthreads();                                            // the keys before may still be being read
        load(columns, v, v_stride_m, start, COLS, M, K);
        if (p > 0)
            draw(kept, ROWS, COLS, first_number, M, seed, place, first_block, *step, p);
        __syncthreads();
        float dp[R][C] = {}, s[R][C] = {};
        add_products(dp, dys, columns);
        __syncthreads();
        load(columns, k, k_stride_m, start, COLS, M, K);
        __syncthreads();
        add_products(s, queries, columns);
        finish_scores(s, scale, mask, mask_stride_n, mask_stride_m, first, start, false, N, M);
        if (p > 0)
            drop(dp, kept, COLS, first_number, M, keep_scale, false);
        #pragma unroll
        for (int i = 0; i < R; i++)
            for (int j = 0; j < C; j++)
                dp[i][j] = expf(s[i][j] - lse_of[i]) * (dp[i][j] - dot_of[i]) * scale;              // dS
        put_weights(weights, dp);
        __syncthreads();
        add_weighted(out, weights, columns, min(COLS, M - start));
    }
    store(dq, dq_stride_n, out, first, N, K);
}

// dk and dv. Rows are keys here, columns queries: the scores stand transposed. dy is loaded twice for each tile, since
// a second tile of columns would not fit into 64 KB.
// Shared memory: two tiles of rows, one of columns, the weights.
extern "C" __global__ void __launch_bounds__(128, 3) attention_backward_kv(
    const float* __restrict__ dy, const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
    const bool* __restrict__ mask, const float* __restrict__ lse, const float* __restrict__ dot, float* __restrict__ dk,
    float* __restrict__ dv, int H, int N, int M, int K, float scale,
    long long dy_stride_b, long long dy_stride_h, long long dy_stride_n,
    long long q_stride_b, long long q_stride_h, long long q_stride_n,
    long long k_stride_b, long long k_stride_h, long long k_stride_m,
    long long v_stride_b, long long v_stride_h, long long v_stride_m,
    long long mask_stride_b, long long mask_stride_h, int mask_stride_n, int mask_stride_m,
    long long dk_stride_b, long long dk_stride_h, long long dk_stride_m,
    float p, float keep_scale, unsigned long long seed, unsigned long long place, unsigned long long first_block,
    const unsigned long long* __restrict__ step)
{
    extern __shared__ __align__(16) float shared[];
    __shared__ unsigned char kept[COLS * (ROWS / 8 + 1)];
    float *keys = shared, *values = keys + ROWS * STRIDE, *columns = values + ROWS * STRIDE;
    float *weights = columns + COLS * STRIDE;
    int tiles = (M + ROWS - 1) / ROWS, first = blockIdx.x % tiles * ROWS;
    int head = blockIdx.x / tiles, b = head / H, h = head % H;
    dy += b * dy_stride_b + h * dy_stride_h;
    q += b * q_stride_b + h * q_stride_h;
    k += b * k_stride_b + h * k_stride_h;
    v += b * v_stride_b + h * v_stride_h;
    dk += b * dk_stride_b + h * dk_stride_h;
    dv += b * dk_stride_b + h * dk_stride_h;                        // dk and dv are laid out alike
    lse += (long long)head * N;
    dot += (long long)head * N;
    if (mask != nullptr)
        mask += b * mask_stride_b + h * mask_stride_h;
    first_block += b * (((long long)H * N * M + 7) / 8);

    load(keys, k, k_stride_m, first, ROWS, M, K);
    load(values, v, v_stride_m, first, ROWS, M, K);
    float2 dk_rows[R][PAIRS] = {}, dv_rows[R][PAIRS] = {};
    for (int start = 0; start < N; start += COLS) {
        long long first_number = ((long long)h * N + start) * M + first;
        __syncthreads();                                            // the columns before may still be being read
        load(columns, dy, dy_stride_n, start, COLS, N, K);
        if (p > 0)
            draw(kept, COLS, ROWS, first_number, M, seed, place, first_block, *step, p);
        __syncthreads();
        float dp[R][C] = {}, s[R][C] = {};
        add_products(dp, values, columns);
        __syncthreads();
        load(columns, q, q_stride_n, start, COLS, N, K);
        __syncthreads();
        add_products(s, keys, columns);
        finish_scores(s, scale, mask, mask_stride_n, mask_stride_m, first, start, true, N, M);
        if (p > 0)
            drop(dp, kept, ROWS, first_number, M, keep_scale, true);
        #pragma unroll
        for (int j = 0; j < C; j++) {
            int query = start + tx() + 16 * j;
            float lse_of = query < N ? lse[query] : 0, dot_of = query < N ? dot[query] : 0;
            for (int i = 0; i < R; i++) {
                s[i][j] = expf(s[i][j] - lse_of);
                dp[i][j] = s[i][j] * (dp[i][j] - dot_of) * scale;                                   // dS
            }
        }
        if (p > 0)
            drop(s, kept, ROWS, first_number, M, keep_scale, true);
        put_weights(weights, dp);
        __syncthreads();
        add_weighted(dk_rows, weights, columns, min(COLS, N - start));
        __syncthreads();
        put_weights(weights, s);
        load(columns, dy, dy_stride_n, start, COLS, N, K);
        __syncthreads();
        add_weighted(dv_rows, weights, columns, min(COLS, N - start));
    }
    store(dk, dk_stride_m, dk_rows, first, M, K);
    store(dv, dk_stride_m, dv_rows, first, M, K);
}
