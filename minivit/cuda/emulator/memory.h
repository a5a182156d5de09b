// Global memory: the arrays of one launch, each between two guard zones.
#pragma once

namespace memory {
    // One argument of a kernel as Python sends it. Of a number: its bits. Of an array: where it lies on the host.
    struct Argument {
        long is_array;
        unsigned long long bits;        // or the address on the host; then the address that the kernel gets
        long bytes;
        long phase;                     // its distance from the start of the allocation that it is part of, modulo 256
        long constant;                  // the kernel only reads it
    };

    // Arrays that overlap on the host share a region, so that a kernel may work in place.
    struct Region {
        char* host;
        char* device;                   // where the kernel finds it
        long bytes;
        bool constant;
        int parameter;                  // whose array it is; the first of them
        bool holds(const char* address, long n) const { return address >= device && address + n <= device + bytes; }
    };

    constexpr int MOST = 512;
    extern Region regions[MOST];
    extern int count;
    extern char *low, *high;            // all memory in use, guard zones and all

    // Copies the arrays in; false where there is no memory. elsewhere: than in the last launch, so that a pointer that
    // was kept from there leads nowhere.
    bool place(Argument* arguments, int n, bool elsewhere);
    void copy_back();                                   // what was not const
    void check_guards();
    const Region* nearest(const char* address);
}
