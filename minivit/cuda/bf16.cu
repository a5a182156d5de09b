// float32 as bfloat16: the upper half of its 32 bits, which keeps the exponent and 8 bits of the mantissa. It is handled
// as an unsigned short, so that no header is needed.

extern "C" __global__ void __launch_bounds__(256) to_bf16(
    const float* __restrict__ x, unsigned short* __restrict__ y, long long size)
{
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size)
        return;
    unsigned bits = __float_as_uint(x[i]);
    if ((bits & 0x7fffffff) > 0x7f800000)
        y[i] = bits >> 16 | 0x40;                               // nan stays nan, whichever bits are lost
    else
        y[i] = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;        // to the nearest; from the middle to the even one
}
