// Philox4x64-10, with the addresses of minivit/streams.py: the same bits as Draw.uniform, on any device.
//
// Block c of a stream is a pure function of (seed, place, c, step). It yields four words of 64 bits, which are eight
// numbers: first the low half of a word, then the high one. Image i of a mask has the blocks
//
//     first_block + i * blocks_per_image + 1 ...          blocks_per_image = ceil(numbers of an image / 8)
//
// Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", figure 3 and table 2.

// Bit e tells whether number e of a block, uniform in [0, 1), is at least p: whether a dropout of p keeps it.
__device__ __forceinline__ unsigned kept_of_block(unsigned long long seed, unsigned long long place,
                                                  unsigned long long block, unsigned long long step, float p)
{
    unsigned long long word[4] = {block, 0, step, 0};
    for (int round = 0; round < 10; round++) {
        constexpr unsigned long long M0 = 0xD2E7470EE14C6C93, M1 = 0xCA5A826395121157;
        unsigned long long high0 = __umul64hi(M0, word[0]), low0 = M0 * word[0];
        unsigned long long high1 = __umul64hi(M1, word[2]), low1 = M1 * word[2];
        word[0] = high1 ^ word[1] ^ seed;
        word[1] = low1;
        word[2] = high0 ^ word[3] ^ place;
        word[3] = low0;
        seed += 0x9E3779B97F4A7C15;                 // the golden ratio and sqrt(3) - 1, in 64 bits
        place += 0xBB67AE8584CAA73B;
    }
    unsigned kept = 0;
    for (int e = 0; e < 8; e++) {
        unsigned half = (unsigned)(word[e / 2] >> 32 * (e % 2));
        kept |= ((half >> 8) * 0x1p-24f >= p) << e;
    }
    return kept;
}
