// Philox4x32-10: four random words from a counter of four words and a key of two, as
// tinynet/random.py describes. Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy
// as 1, 2, 3 (2011).

struct Words {
    unsigned at[4];
};

__device__ inline Words philox(Words counter, unsigned key_0, unsigned key_1) {
    const unsigned multiplier_0 = 0xD2511F53, multiplier_1 = 0xCD9E8D57;
    const unsigned weyl_0 = 0x9E3779B9, weyl_1 = 0xBB67AE85;
    Words c = counter;
    for (int round = 0; round < 10; round++) {
        unsigned high_0 = __umulhi(multiplier_0, c.at[0]), low_0 = multiplier_0 * c.at[0];
        unsigned high_1 = __umulhi(multiplier_1, c.at[2]), low_1 = multiplier_1 * c.at[2];
        c = {{high_1 ^ c.at[1] ^ key_0, low_1, high_0 ^ c.at[3] ^ key_1, low_0}};
        key_0 += weyl_0;
        key_1 += weyl_1;
    }
    return c;
}
