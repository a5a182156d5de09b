/* cuBLAS on the memory of the host, for tests: the entry points that minivit calls, as cublas_v2.h declares them.

   Compiled with -DNVIDIA_HEADER it includes that header, and the compiler refuses a prototype that differs. As strict as
   cuBLAS about leading dimensions; it counts what it is asked, in `stub`. */
#ifdef NVIDIA_HEADER
#include <cublas_v2.h>
#else
#include <stddef.h>
typedef struct cublasContext *cublasHandle_t;
typedef struct CUstream_st *cudaStream_t;
typedef int cublasStatus_t, cublasOperation_t, cudaDataType, cublasComputeType_t, cublasGemmAlgo_t, libraryPropertyType;
enum { CUDA_R_32F = 0, CUDA_R_64F = 1, CUDA_R_16BF = 14, CUBLAS_COMPUTE_32F = 68, CUBLAS_COMPUTE_32F_FAST_TF32 = 77,
       CUBLAS_COMPUTE_64F = 70, CUBLAS_GEMM_DEFAULT = -1, CUBLAS_OP_N = 0, CUBLAS_OP_T = 1,
       CUBLAS_STATUS_SUCCESS = 0, CUBLAS_STATUS_NOT_INITIALIZED = 1, CUBLAS_STATUS_INVALID_VALUE = 7,
       CUBLAS_STATUS_NOT_SUPPORTED = 15 };
#define cublasCreate cublasCreate_v2
#define cublasSetStream cublasSetStream_v2
#define cublasSetWorkspace cublasSetWorkspace_v2
#endif

struct { int status_of_create, creates, gemms, compute; void *stream, *workspace; size_t workspace_bytes; } stub;
struct cublasContext { int unused; } context;

cublasStatus_t cublasCreate(cublasHandle_t *handle) {
    stub.creates++;
    *handle = &context;
    return stub.status_of_create;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
    stub.stream = stream;
    stub.workspace = NULL;                      /* as cuBLAS does */
    return handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *workspace, size_t bytes) {
    stub.workspace = workspace;
    stub.workspace_bytes = bytes;
    return handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

cublasStatus_t cublasGetProperty(libraryPropertyType which, int *value) {
    *value = which == 0 ? 13 : (int)which;
    return CUBLAS_STATUS_SUCCESS;
}

static double from_float(const float *x) { return *x; }
static double from_double(const double *x) { return *x; }
static double from_bf16(const unsigned short *x) {
    union { unsigned bits; float number; } both = { (unsigned)*x << 16 };
    return both.number;
}

#define MULTIPLY(factor, number, value)                                                                              \
    for (long long batch = 0; batch < batchCount; batch++)                                                          \
        for (int j = 0; j < n; j++)                                                                                  \
            for (int i = 0; i < m; i++) {                                                                            \
                const factor *a = (const factor *)A + batch * strideA, *b = (const factor *)B + batch * strideB;    \
                number *c = (number *)C + batch * strideC + i + (long long)j * ldc;                                  \
                double sum = 0;                                                                                      \
                for (int l = 0; l < k; l++)                                                                          \
                    sum += value(a + (transa == CUBLAS_OP_N ? i + (long long)l * lda : l + (long long)i * lda)) *    \
                           value(b + (transb == CUBLAS_OP_N ? l + (long long)j * ldb : j + (long long)l * ldb));     \
                number times = *(const number *)beta;                                                                \
                *c = (number)(*(const number *)alpha * sum + (times == 0 ? 0 : times * *c));                         \
            }

cublasStatus_t cublasGemmStridedBatchedEx(
        cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k,
        const void *alpha, const void *A, cudaDataType Atype, int lda, long long int strideA,
        const void *B, cudaDataType Btype, int ldb, long long int strideB,
        const void *beta, void *C, cudaDataType Ctype, int ldc, long long int strideC,
        int batchCount, cublasComputeType_t computeType, cublasGemmAlgo_t algo) {
    stub.gemms++;
    stub.compute = computeType;
    if (!handle || !stub.workspace)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    if (lda < (transa == CUBLAS_OP_N ? m : k) || ldb < (transb == CUBLAS_OP_N ? k : n) || ldc < m || lda < 1 || ldb < 1)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (Atype != Btype || algo != CUBLAS_GEMM_DEFAULT)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (Atype == CUDA_R_32F && Ctype == CUDA_R_32F &&
        (computeType == CUBLAS_COMPUTE_32F || computeType == CUBLAS_COMPUTE_32F_FAST_TF32)) {
        MULTIPLY(float, float, from_float)
    } else if (Atype == CUDA_R_64F && Ctype == CUDA_R_64F && computeType == CUBLAS_COMPUTE_64F) {
        MULTIPLY(double, double, from_double)
    } else if (Atype == CUDA_R_16BF && Ctype == CUDA_R_32F && computeType == CUBLAS_COMPUTE_32F) {
        MULTIPLY(unsigned short, float, from_bf16)
    } else
        return CUBLAS_STATUS_NOT_SUPPORTED;
    return CUBLAS_STATUS_SUCCESS;
}
