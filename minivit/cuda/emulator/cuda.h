// CUDA C++ for an ordinary C++ compiler: force-included before a `.cu` file, whose text stays as it is.
//
// No standard header is included, so that what NVRTC does not know (INFINITY, std::, uint32_t) is unknown here too.
#pragma once
#include "seam.h"

// Qualifiers. `__shared__` is thread_local: the one storage class that is legal C++ both in `__shared__ float s[32];`
// inside a function and in `extern __shared__ float s[];`. All shared memory of a module thus lies in one segment.
#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __constant__ static
#define __shared__ thread_local
#define __restrict__ __restrict
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define MINIVIT_INLINE static inline __attribute__((always_inline))
#define MINIVIT_UNSEEN __attribute__((no_sanitize("thread"), noinline))     // accesses that the checks do not see

typedef decltype(sizeof 0) size_t;

// Built-in variables. In checked mode they come from functions, so that reading them is no memory access.
#ifdef MINIVIT_CHECKED
MINIVIT_UNSEEN static uint3 minivit_threadIdx_now() { return *minivit_threadIdx; }
MINIVIT_UNSEEN static uint3 minivit_blockIdx_now() { return minivit_blockIdx; }
MINIVIT_UNSEEN static dim3 minivit_blockDim_now() { return minivit_blockDim; }
MINIVIT_UNSEEN static dim3 minivit_gridDim_now() { return minivit_gridDim; }
#define threadIdx (minivit_threadIdx_now())
#define blockIdx (minivit_blockIdx_now())
#define blockDim (minivit_blockDim_now())
#define gridDim (minivit_gridDim_now())
#else
#define threadIdx (*minivit_threadIdx)
#define blockIdx (static_cast<const uint3&>(minivit_blockIdx))
#define blockDim (static_cast<const dim3&>(minivit_blockDim))
#define gridDim (static_cast<const dim3&>(minivit_gridDim))
#endif
constexpr int warpSize = 32;

// Vectors: float4 is one access of 16 bytes and must lie on a multiple of 16, float3 is three accesses of 4.
#define MINIVIT_VECTORS(T, name, a2, a4)                                                                    \
    struct alignas(a2) name##2 { T x, y; };                                                                 \
    struct name##3 { T x, y, z; };                                                                          \
    struct alignas(a4) name##4 { T x, y, z, w; };                                                           \
    MINIVIT_INLINE name##2 make_##name##2(T x, T y) { return {x, y}; }                                      \
    MINIVIT_INLINE name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                              \
    MINIVIT_INLINE name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
#define uint3 minivit_uint3                                 // CUDA's own is in seam.h
MINIVIT_VECTORS(char, char, 2, 4)
MINIVIT_VECTORS(unsigned char, uchar, 2, 4)
MINIVIT_VECTORS(short, short, 4, 8)
MINIVIT_VECTORS(unsigned short, ushort, 4, 8)
MINIVIT_VECTORS(int, int, 8, 16)
MINIVIT_VECTORS(unsigned, uint, 8, 16)
MINIVIT_VECTORS(long long, longlong, 16, 16)
MINIVIT_VECTORS(unsigned long long, ulonglong, 16, 16)
MINIVIT_VECTORS(float, float, 8, 16)
MINIVIT_VECTORS(double, double, 16, 16)
#undef uint3

// Barriers and exchanges: macros, because only a macro knows the line that it stands in. source.py numbers the files.
#define MINIVIT_LINE (MINIVIT_FILE << 20 | __LINE__)
#define __syncthreads() minivit_syncthreads(MINIVIT_LINE)
#define __syncthreads_count(p) minivit_syncthreads_vote(p, MINIVIT_LINE)
#define __syncthreads_or(p) (minivit_syncthreads_vote(p, MINIVIT_LINE) != 0)
#define __syncthreads_and(p) (minivit_syncthreads_vote(!(p), MINIVIT_LINE) == 0)
#define __syncwarp(...) minivit_syncwarp_at{MINIVIT_LINE}(__VA_ARGS__)
#define __ballot_sync(mask, p) minivit_ballot(mask, (p) != 0, MINIVIT_LINE)
#define __any_sync(mask, p) (minivit_ballot(mask, (p) != 0, MINIVIT_LINE) != 0)
#define __all_sync(mask, p) (minivit_ballot(mask, !(p), MINIVIT_LINE) == 0)
#define __activemask() minivit_activemask(MINIVIT_LINE)
#define __shfl_sync(...) minivit_shfl(MINIVIT_LINE, __VA_ARGS__)
#define __shfl_up_sync(...) minivit_shfl_up(MINIVIT_LINE, __VA_ARGS__)
#define __shfl_down_sync(...) minivit_shfl_down(MINIVIT_LINE, __VA_ARGS__)
#define __shfl_xor_sync(...) minivit_shfl_xor(MINIVIT_LINE, __VA_ARGS__)

struct minivit_syncwarp_at {                                // its mask may be left out
    int line;
    void operator()(unsigned mask = 0xffffffffu) const { minivit_syncwarp(mask, line); }
};

template <class T> MINIVIT_INLINE T minivit_exchange(int line, unsigned mask, T value, int source) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    unsigned long long bits = 0;
    __builtin_memcpy(&bits, &value, sizeof(T));
    bits = minivit_shuffle(mask, bits, source, line);
    __builtin_memcpy(&value, &bits, sizeof(T));
    return value;
}

// Which lane a shuffle reads. A warp is cut into segments of `width` lanes; beyond a segment's end a lane reads itself.
template <class T> MINIVIT_INLINE T minivit_shfl(int line, unsigned mask, T value, int source, int width = 32) {
    int lane = minivit_lane(), start = lane & -width;
    return minivit_exchange(line, mask, value, start + (source & (width - 1)));
}
template <class T> MINIVIT_INLINE T minivit_shfl_up(int line, unsigned mask, T value, unsigned delta, int width = 32) {
    int lane = minivit_lane(), start = lane & -width, source = lane - (int)delta;
    return minivit_exchange(line, mask, value, source < start ? lane : source);
}
template <class T> MINIVIT_INLINE T minivit_shfl_down(int line, unsigned mask, T value, unsigned delta,
                                                            int width = 32) {
    int lane = minivit_lane(), end = (lane & -width) + width, source = lane + (int)delta;
    return minivit_exchange(line, mask, value, source >= end ? lane : source);
}
template <class T> MINIVIT_INLINE T minivit_shfl_xor(int line, unsigned mask, T value, int bits, int width = 32) {
    int lane = minivit_lane(), end = (lane & -width) + width, source = lane ^ bits;
    return minivit_exchange(line, mask, value, source >= end ? lane : source);
}

// Atomics. One thread runs at a time and none is interrupted inside, so a plain read and write is atomic.
template <class T> MINIVIT_UNSEEN T minivit_load(const T* address) { return *address; }
template <class T> MINIVIT_UNSEEN void minivit_store(T* address, T value) { *address = value; }

template <class T, class Change> MINIVIT_INLINE T minivit_change(T* address, Change change) {
#ifdef MINIVIT_CHECKED
    minivit_atomic(address, sizeof(T));
    T old = minivit_load(address);
    minivit_store(address, (T)change(old));
#else
    T old = *address;
    *address = (T)change(old);
#endif
    return old;
}

#define MINIVIT_ATOMIC(name, T, expression)                                                                 \
    MINIVIT_INLINE T name(T* address, T value) {                                                            \
        return minivit_change(address, [value](T old) { return expression; });                              \
    }
#define MINIVIT_INTEGER_ATOMICS(T)                                                                          \
    MINIVIT_ATOMIC(atomicAdd, T, old + value)                                                               \
    MINIVIT_ATOMIC(atomicMin, T, value < old ? value : old)                                                 \
    MINIVIT_ATOMIC(atomicMax, T, value > old ? value : old)                                                 \
    MINIVIT_ATOMIC(atomicAnd, T, old & value)                                                               \
    MINIVIT_ATOMIC(atomicOr, T, old | value)                                                                \
    MINIVIT_ATOMIC(atomicXor, T, old ^ value)                                                               \
    MINIVIT_ATOMIC(atomicExch, T, value)                                                                    \
    MINIVIT_INLINE T atomicCAS(T* address, T expected, T value) {                                           \
        return minivit_change(address, [=](T old) { return old == expected ? value : old; });               \
    }
MINIVIT_INTEGER_ATOMICS(int)
MINIVIT_INTEGER_ATOMICS(unsigned)
MINIVIT_INTEGER_ATOMICS(unsigned long long)
MINIVIT_ATOMIC(atomicSub, int, old - value)
MINIVIT_ATOMIC(atomicSub, unsigned, old - value)
MINIVIT_ATOMIC(atomicInc, unsigned, old >= value ? 0 : old + 1)
MINIVIT_ATOMIC(atomicDec, unsigned, old == 0 || old > value ? value : old - 1)
MINIVIT_ATOMIC(atomicAdd, float, old + value)
MINIVIT_ATOMIC(atomicAdd, double, old + value)
MINIVIT_ATOMIC(atomicExch, float, value)

#define __threadfence() minivit_threadfence(true)
#define __threadfence_system() minivit_threadfence(true)
#define __threadfence_block() minivit_threadfence(false)

// Loads and stores with a hint for the cache.
template <class T> MINIVIT_INLINE T __ldg(const T* address) { return *address; }
template <class T> MINIVIT_INLINE T __ldcg(const T* address) { return *address; }
template <class T> MINIVIT_INLINE T __ldcs(const T* address) { return *address; }
template <class T> MINIVIT_INLINE void __stcg(T* address, T value) { *address = value; }
template <class T> MINIVIT_INLINE void __stcs(T* address, T value) { *address = value; }

#define assert(condition) ((condition) ? (void)0 : minivit_assert_failed(#condition, MINIVIT_LINE))
#define printf minivit_printf
#define __trap() minivit_trap(MINIVIT_LINE)

// How the runtime starts a thread of kernel(a, b, ...): every argument lies where arguments[i] points.
template <int... I> struct minivit_indices {};
template <int N, int... I> struct minivit_count : minivit_count<N - 1, N - 1, I...> {};
template <int... I> struct minivit_count<0, I...> { using type = minivit_indices<I...>; };
template <class T> struct minivit_plain { using type = T; };
template <class T> struct minivit_plain<const T> { using type = T; };

template <class... T, int... I> MINIVIT_INLINE void minivit_call(void (*kernel)(T...), void** arguments,
                                                                minivit_indices<I...>) {
    kernel(*static_cast<typename minivit_plain<T>::type*>(arguments[I])...);
}
template <class... T> MINIVIT_INLINE void minivit_run(void (*kernel)(T...), void** arguments) {
    minivit_call(kernel, arguments, typename minivit_count<sizeof...(T)>::type{});
}

#include "cuda_math.h"
