// y = x * keep / (1 - p), where `keep` is drawn here, in forward and again in backward, and never stored.
//
// seed, place, first_block, *step: where the mask begins (see philox.cuh). The step lies in memory, so that a recorded
// launch draws the mask of whichever step is there. scale: 1 / (1 - p). A block of 128 threads takes 1024 numbers of one
// image; the blocks of an image follow one another.

#include "philox.cuh"

constexpr unsigned WARP = 0xffffffff;

// A number for every element. Each lane draws a block, eight numbers; then the warp hands the bits round, so that
// neighbouring lanes touch neighbouring memory.
extern "C" __global__ void __launch_bounds__(128) dropout(
    const float* __restrict__ x, float* __restrict__ y, long long per_image, float p, float scale,
    unsigned long long seed, unsigned long long place, unsigned long long first_block,
    const unsigned long long* __restrict__ step)
{
    int parts = (per_image + 1023) / 1024, lane = threadIdx.x % 32;
    long long image = blockIdx.x / parts, first = blockIdx.x % parts * 1024LL + threadIdx.x / 32 * 256;
    unsigned long long block = first_block + image * ((per_image + 7) / 8) + first / 8 + lane + 1;
    unsigned drawn = kept_of_block(seed, place, block, *step, p);
    for (int i = 0; i < 8; i++) {
        long long e = first + 32 * i + lane;
        unsigned kept = __shfl_sync(WARP, drawn, 4 * i + lane / 8) >> lane % 8;
        if (e < per_image)
            y[image * per_image + e] = x[image * per_image + e] * (kept & 1 ? scale : 0);
    }
}

// One number for every image: the first of its one block.
extern "C" __global__ void __launch_bounds__(128) drop_path(
    const float* __restrict__ x, float* __restrict__ y, long long per_image, float p, float scale,
    unsigned long long seed, unsigned long long place, unsigned long long first_block,
    const unsigned long long* __restrict__ step)
{
    int parts = (per_image + 1023) / 1024;
    long long image = blockIdx.x / parts, first = blockIdx.x % parts * 1024LL;
    float factor = kept_of_block(seed, place, first_block + image + 1, *step, p) & 1 ? scale : 0;
    for (long long e = first + threadIdx.x; e < per_image && e < first + 1024; e += blockDim.x)
        y[image * per_image + e] = x[image * per_image + e] * factor;
}
