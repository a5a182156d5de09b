// A row of n numbers, shared by GROUP threads: one warp, or a block of several warps.
//
//     row_of_group()                  which row this thread works on
//     load4, store4                   four numbers of a row for each thread
//     row_sum, row_max                reductions; every thread of the row gets the result
//     max_and_sum                     what a softmax needs to know of a row
//
// The launcher sets GROUP, the number of threads to a row: 32 for short rows, 128 for long ones. A block of 128 threads
// then has four rows or one. Each reduction reads the row again: after the first time it comes from the L1 cache.

constexpr unsigned WARP = 0xffffffff;               // all 32 lanes take part in a shuffle
constexpr int STEP = 4 * GROUP;                     // numbers that a group takes at once

struct __align__(16) Four { float of[4]; };

__device__ __forceinline__ float infinity() { return __int_as_float(0x7f800000); }

__device__ __forceinline__ int lane() { return threadIdx.x % GROUP; }

__device__ __forceinline__ long long row_of_group()
{
    return (long long)blockIdx.x * (blockDim.x / GROUP) + threadIdx.x / GROUP;
}

// Whether rows of n numbers can be read and written four at once, which needs addresses that are multiples of 16 bytes.
__device__ __forceinline__ bool by_fours(int n, const void* a, const void* b, const void* c = nullptr)
{
    return n % 4 == 0 && ((size_t)a | (size_t)b | (size_t)c) % 16 == 0;
}

// Which column is number i of this thread, in the STEP columns from `start` on. By fours a thread has four neighbours;
// else its four lie GROUP apart, so that neighbouring threads still touch neighbouring memory. No sum minds which four.
__device__ __forceinline__ int column(int start, int i, bool fours)
{
    return start + (fours ? 4 * lane() + i : lane() + GROUP * i);
}

// Four numbers of a row; `beyond` stands for those past its end.
__device__ __forceinline__ Four load4(const float* row, int start, int n, bool fours, float beyond)
{
    if (fours && column(start, 0, fours) < n)
        return *(const Four*)(row + column(start, 0, fours));
    Four v;
    for (int i = 0; i < 4; i++) {
        int j = column(start, i, fours);
        v.of[i] = j < n ? row[j] : beyond;
    }
    return v;
}

__device__ __forceinline__ void store4(float* row, Four v, int start, int n, bool fours)
{
    if (fours && column(start, 0, fours) < n)
        *(Four*)(row + column(start, 0, fours)) = v;
    for (int i = 0; i < 4 && !fours; i++) {
        int j = column(start, i, fours);
        if (j < n)
            row[j] = v.of[i];
    }
}

__device__ __forceinline__ float row_sum(float value)
{
    for (int distance = 16; distance > 0; distance /= 2)
        value += __shfl_xor_sync(WARP, value, distance);
    if (GROUP == 32)
        return value;
    __shared__ float of_warp[GROUP / 32];
    __syncthreads();                                // the sum before may still be being read
    if (threadIdx.x % 32 == 0)
        of_warp[threadIdx.x / 32] = value;
    __syncthreads();
    value = 0;
    for (int warp = 0; warp < GROUP / 32; warp++)
        value += of_warp[warp];
    return value;
}

__device__ __forceinline__ float row_max(float value)
{
    for (int distance = 16; distance > 0; distance /= 2)
        value = fmaxf(value, __shfl_xor_sync(WARP, value, distance));
    if (GROUP == 32)
        return value;
    __shared__ float of_warp[GROUP / 32];
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        of_warp[threadIdx.x / 32] = value;
    __syncthreads();
    for (int warp = 0; warp < GROUP / 32; warp++)
        value = fmaxf(value, of_warp[warp]);
    return value;
}

// (m, sum) with m = max_j x_j and sum = sum_j exp(x_j - m)
__device__ __forceinline__ float2 max_and_sum(const float* x, int n, bool fours)
{
    float m = -infinity();
    for (int start = 0; start < n; start += STEP) {
        Four v = load4(x, start, n, fours, -infinity());
        for (int i = 0; i < 4; i++)
            m = fmaxf(m, v.of[i]);
    }
    m = row_max(m);
    float sum = 0;
    for (int start = 0; start < n; start += STEP) {
        Four v = load4(x, start, n, fours, -infinity());            // exp(-inf - m) is 0
        for (int i = 0; i < 4; i++)
            sum += expf(v.of[i] - m);
    }
    return make_float2(m, row_sum(sum));
}
