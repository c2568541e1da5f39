// SPDX-License-Identifier: Apache-2.0

#include <stdint.h>

#ifdef SWIFT_CNI_EMBEDDED
// What the standard library asks of Unicode when it compares strings: whether characters that are written in several ways
// mean the same. Its tables would be a fifteenth of a plugin. Names of networks, interfaces and files are bytes to the kernel, to
// runtimes and to the reference suite, so here every character means itself alone. What else the standard library could ask,
// such as where a Character ends, only cnictl has: elsewhere what takes a String apart by anything but bytes does not link.
uint16_t _swift_stdlib_getNormData(uint32_t scalar);
uint32_t _swift_stdlib_getDecompositionEntry(uint32_t scalar);
uint32_t _swift_stdlib_getComposition(uint32_t first, uint32_t second);

// Where decompositions would be; none is ever looked up.
const uint8_t *const _swift_stdlib_nfd_decompositions = 0;

// Neither a combining class, nor another form.
uint16_t _swift_stdlib_getNormData(uint32_t scalar) { return 0; }

uint32_t _swift_stdlib_getDecompositionEntry(uint32_t scalar) { return 0; }

// No pair makes one character.
uint32_t _swift_stdlib_getComposition(uint32_t first, uint32_t second) { return UINT32_MAX; }
#endif
