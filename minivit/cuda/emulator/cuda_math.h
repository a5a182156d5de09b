// CUDA's math functions: those of the C library under their names, fast ones (__expf) without a GPU's rounding errors.
#pragma once

// float f(float) and, under C's own name without the f, both f(double) and CUDA's overloads of float.
#define MINIVIT_MATH1(name)                                                                                 \
    extern "C" double name(double) noexcept;                                                                \
    extern "C" float name##f(float) noexcept;                                                               \
    MINIVIT_INLINE float name(float x) { return name##f(x); }
#define MINIVIT_MATH2(name)                                                                                 \
    extern "C" double name(double, double) noexcept;                                                        \
    extern "C" float name##f(float, float) noexcept;                                                        \
    MINIVIT_INLINE float name(float x, float y) { return name##f(x, y); }                                   \
    MINIVIT_INLINE double name(float x, double y) { return name((double)x, y); }                            \
    MINIVIT_INLINE double name(double x, float y) { return name(x, (double)y); }
MINIVIT_MATH1(exp) MINIVIT_MATH1(exp2) MINIVIT_MATH1(expm1) MINIVIT_MATH1(log) MINIVIT_MATH1(log2)
MINIVIT_MATH1(log10) MINIVIT_MATH1(log1p) MINIVIT_MATH1(sqrt) MINIVIT_MATH1(cbrt) MINIVIT_MATH1(sin)
MINIVIT_MATH1(cos) MINIVIT_MATH1(tan) MINIVIT_MATH1(asin) MINIVIT_MATH1(acos) MINIVIT_MATH1(atan)
MINIVIT_MATH1(sinh) MINIVIT_MATH1(cosh) MINIVIT_MATH1(tanh) MINIVIT_MATH1(asinh) MINIVIT_MATH1(acosh)
MINIVIT_MATH1(atanh) MINIVIT_MATH1(erf) MINIVIT_MATH1(erfc) MINIVIT_MATH1(lgamma) MINIVIT_MATH1(tgamma)
MINIVIT_MATH1(fabs) MINIVIT_MATH1(floor) MINIVIT_MATH1(ceil) MINIVIT_MATH1(trunc) MINIVIT_MATH1(round)
MINIVIT_MATH1(rint) MINIVIT_MATH1(nearbyint)
MINIVIT_MATH2(pow) MINIVIT_MATH2(fmod) MINIVIT_MATH2(fmin) MINIVIT_MATH2(fmax) MINIVIT_MATH2(atan2)
MINIVIT_MATH2(hypot) MINIVIT_MATH2(copysign) MINIVIT_MATH2(remainder) MINIVIT_MATH2(fdim) MINIVIT_MATH2(nextafter)

extern "C" {
    double fma(double, double, double) noexcept;
    float fmaf(float, float, float) noexcept;
    double ldexp(double, int) noexcept;
    float ldexpf(float, int) noexcept;
    int abs(int) noexcept;
    void* memcpy(void*, const void*, size_t) noexcept;
    void* memset(void*, int, size_t) noexcept;
}
#ifdef MINIVIT_CHECKED                                      // which sees what the compiler makes, not what libc does
MINIVIT_INLINE void* minivit_memcpy(void* to, const void* from, size_t bytes) {
    minivit_range(from, bytes, false);
    minivit_range(to, bytes, true);
    return memcpy(to, from, bytes);
}
MINIVIT_INLINE void* minivit_memset(void* to, int byte, size_t bytes) {
    minivit_range(to, bytes, true);
    return memset(to, byte, bytes);
}
#define memcpy minivit_memcpy
#define memset minivit_memset
#endif
MINIVIT_INLINE float fma(float x, float y, float z) { return fmaf(x, y, z); }
MINIVIT_INLINE float pow(float x, int n) { return powf(x, (float)n); }
MINIVIT_INLINE double pow(double x, int n) { return pow(x, (double)n); }
MINIVIT_INLINE float abs(float x) { return fabsf(x); }
MINIVIT_INLINE double abs(double x) { return fabs(x); }
MINIVIT_INLINE long long abs(long long x) { return x < 0 ? -x : x; }
MINIVIT_INLINE long long llabs(long long x) { return abs(x); }
MINIVIT_INLINE float rsqrtf(float x) { return 1 / sqrtf(x); }
MINIVIT_INLINE double rsqrt(double x) { return 1 / sqrt(x); }
MINIVIT_INLINE float rsqrt(float x) { return rsqrtf(x); }
MINIVIT_INLINE float rcbrtf(float x) { return 1 / cbrtf(x); }
MINIVIT_INLINE float exp10f(float x) { return powf(10, x); }
MINIVIT_INLINE double exp10(double x) { return pow(10.0, x); }
MINIVIT_INLINE float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678f); }
MINIVIT_INLINE double normcdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752); }
MINIVIT_INLINE void sincosf(float x, float* sine, float* cosine) { *sine = sinf(x); *cosine = cosf(x); }
MINIVIT_INLINE void sincos(double x, double* sine, double* cosine) { *sine = sin(x); *cosine = cos(x); }
template <class T> MINIVIT_INLINE bool isnan(T x) { return __builtin_isnan(x); }
template <class T> MINIVIT_INLINE bool isinf(T x) { return __builtin_isinf(x); }
template <class T> MINIVIT_INLINE bool isfinite(T x) { return __builtin_isfinite(x); }
template <class T> MINIVIT_INLINE bool signbit(T x) { return __builtin_signbit(x); }

// The fast versions. libm's are exact to the last bit or two; a GPU's have errors near 1e-6 and flush denormals.
#define __expf(x) expf(x)
#define __exp10f(x) exp10f(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __tanf(x) tanf(x)
#define __powf(x, y) powf(x, y)
MINIVIT_INLINE float __fdividef(float x, float y) { return x / y; }
MINIVIT_INLINE float __saturatef(float x) { return x > 0 ? x < 1 ? x : 1 : 0; }

// Arithmetic with a stated rounding: to nearest, which is what a CPU does too.
MINIVIT_INLINE float __fadd_rn(float x, float y) { return x + y; }
MINIVIT_INLINE float __fsub_rn(float x, float y) { return x - y; }
MINIVIT_INLINE float __fmul_rn(float x, float y) { return x * y; }
MINIVIT_INLINE float __fdiv_rn(float x, float y) { return x / y; }
MINIVIT_INLINE float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
MINIVIT_INLINE float __frcp_rn(float x) { return 1 / x; }
MINIVIT_INLINE float __fsqrt_rn(float x) { return sqrtf(x); }
MINIVIT_INLINE float __frsqrt_rn(float x) { return rsqrtf(x); }

// min and max, also of an int and an unsigned, which CUDA compares as unsigned.
#define MINIVIT_MIN_MAX(A, B, T)                                                                            \
    MINIVIT_INLINE T min(A a, B b) { return (T)a < (T)b ? (T)a : (T)b; }                                    \
    MINIVIT_INLINE T max(A a, B b) { return (T)a > (T)b ? (T)a : (T)b; }
MINIVIT_MIN_MAX(int, int, int)
MINIVIT_MIN_MAX(unsigned, unsigned, unsigned)
MINIVIT_MIN_MAX(int, unsigned, unsigned)
MINIVIT_MIN_MAX(unsigned, int, unsigned)
MINIVIT_MIN_MAX(long, long, long)
MINIVIT_MIN_MAX(unsigned long, unsigned long, unsigned long)
MINIVIT_MIN_MAX(long long, long long, long long)
MINIVIT_MIN_MAX(unsigned long long, unsigned long long, unsigned long long)
MINIVIT_INLINE float min(float a, float b) { return fminf(a, b); }
MINIVIT_INLINE float max(float a, float b) { return fmaxf(a, b); }
MINIVIT_INLINE double min(double a, double b) { return fmin(a, b); }
MINIVIT_INLINE double max(double a, double b) { return fmax(a, b); }
MINIVIT_INLINE double min(float a, double b) { return fmin(a, b); }
MINIVIT_INLINE double max(float a, double b) { return fmax(a, b); }
MINIVIT_INLINE double min(double a, float b) { return fmin(a, b); }
MINIVIT_INLINE double max(double a, float b) { return fmax(a, b); }

// Integers: high halves of products, counting and reversing bits, funnel shifts.
MINIVIT_INLINE int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
MINIVIT_INLINE unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
MINIVIT_INLINE long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }
MINIVIT_INLINE unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
MINIVIT_INLINE int __popc(unsigned x) { return __builtin_popcount(x); }
MINIVIT_INLINE int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
MINIVIT_INLINE int __clz(int x) { return x ? __builtin_clz(x) : 32; }
MINIVIT_INLINE int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
MINIVIT_INLINE int __ffs(int x) { return __builtin_ffs(x); }
MINIVIT_INLINE int __ffsll(long long x) { return __builtin_ffsll(x); }
MINIVIT_INLINE unsigned __brev(unsigned x) {
    unsigned reversed = 0;
    for (int bit = 0; bit < 32; ++bit) reversed |= (x >> bit & 1) << (31 - bit);
    return reversed;
}
MINIVIT_INLINE unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
    return (unsigned)(((unsigned long long)high << 32 | low) << (shift & 31) >> 32);
}
MINIVIT_INLINE unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return (unsigned)(((unsigned long long)high << 32 | low) >> (shift & 31));
}

// The same bits read as another type, and conversions.
#define MINIVIT_BITS(name, From, To)                                                                        \
    MINIVIT_INLINE To name(From x) { To y; __builtin_memcpy(&y, &x, sizeof y); return y; }
MINIVIT_BITS(__int_as_float, int, float)
MINIVIT_BITS(__float_as_int, float, int)
MINIVIT_BITS(__uint_as_float, unsigned, float)
MINIVIT_BITS(__float_as_uint, float, unsigned)
MINIVIT_BITS(__longlong_as_double, long long, double)
MINIVIT_BITS(__double_as_longlong, double, long long)
MINIVIT_INLINE int __float2int_rn(float x) { return (int)rintf(x); }
MINIVIT_INLINE int __float2int_rz(float x) { return (int)x; }
MINIVIT_INLINE int __float2int_rd(float x) { return (int)floorf(x); }
MINIVIT_INLINE int __float2int_ru(float x) { return (int)ceilf(x); }
MINIVIT_INLINE unsigned __float2uint_rn(float x) { return (unsigned)rintf(x); }
MINIVIT_INLINE unsigned __float2uint_rz(float x) { return (unsigned)x; }
MINIVIT_INLINE float __int2float_rn(int x) { return (float)x; }
MINIVIT_INLINE float __uint2float_rn(unsigned x) { return (float)x; }
MINIVIT_INLINE float __ull2float_rn(unsigned long long x) { return (float)x; }
