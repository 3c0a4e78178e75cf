/*
 * Proquints: 16 bits as a word of five letters that can be spoken, consonants and vowels in turn (Daniel S. Wilkerson, "A
 * Proposal for Proquints", arXiv:0901.4016).
 */
#ifndef LAT_NODE_PROQUINT_H
#define LAT_NODE_PROQUINT_H

#include <stddef.h>
#include <stdint.h>

enum { LAT_PROQUINT = 5 };

/* The room that @bytes (even) take as words joined by '-', with the final zero. */
#define LAT_PROQUINT_ROOM(bytes) ((bytes) / 2 * (LAT_PROQUINT + 1))

/* @bytes, 2 or more and even, as words; @out has LAT_PROQUINT_ROOM(@bytes). */
void lat_proquint_encode(char *out, const uint8_t *data, size_t bytes);

#endif
