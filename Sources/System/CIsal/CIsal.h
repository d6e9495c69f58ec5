//  Intel's ISA-L: sums of products in a field of 256 elements, with the vector instructions of x86 and ARM. What the
//  coefficients are and who is missing is decided here, since it is all pointers; the table belongs to `Parity`.
#pragma once
#include <isa-l/erasure_code.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma clang assume_nonnull begin

enum { hawser_code_members = 16, hawser_code_rows = 4, hawser_code_entry = 32 };

/// One matrix for all groups, and of each coefficient the 32 bytes that the library multiplies with.
struct hawser_code {
  uint8_t coefficients[hawser_code_rows][hawser_code_members];
  uint8_t tables[hawser_code_rows][hawser_code_members][hawser_code_entry];
};

/// A Cauchy matrix, each column divided by its first element: every square part of it stays invertible, and the first
/// row is all ones, so the first parity is the XOR of all members.
static inline void hawser_code_make(struct hawser_code *code) {
  uint8_t matrix[(hawser_code_members + hawser_code_rows) * hawser_code_members];
  gf_gen_cauchy1_matrix(matrix, hawser_code_members + hawser_code_rows, hawser_code_members);
  const uint8_t *const cauchy = matrix + hawser_code_members * hawser_code_members;
  for (int row = 0; row < hawser_code_rows; row++)
    for (int member = 0; member < hawser_code_members; member++)
      code->coefficients[row][member] = gf_mul(cauchy[row * hawser_code_members + member], gf_inv(cauchy[member]));
  ec_init_tables(hawser_code_members, hawser_code_rows, &code->coefficients[0][0], &code->tables[0][0][0]);
}

/// Adds the member's products of these rows (a bit each) to consecutive sums.
static inline void hawser_code_add(
    const struct hawser_code *code, uint32_t rows, int member, const void *source, size_t length, void *sums,
    size_t stride) {
  if (length == 0) return;
  uint8_t *targets[hawser_code_rows];
  uint8_t tables[hawser_code_rows][hawser_code_entry];
  int count = 0;
  for (int row = 0; row < hawser_code_rows; row++) {
    if (!(rows >> row & 1)) continue;
    targets[count] = (uint8_t *)sums + (size_t)count * stride;
    memcpy(tables[count], code->tables[row][member], hawser_code_entry);
    count++;
  }
  ec_encode_data_update((int)length, 1, count, 0, &tables[0][0], (uint8_t *)(uintptr_t)source, targets);
}

/// `sums` are, row by row of `rows`, what the members of `missing` alone would have given; 0 when that says nothing.
static inline int hawser_code_solve(
    const struct hawser_code *code, uint32_t rows, uint32_t missing, void *sums, size_t length, size_t stride,
    void *results) {
  uint8_t matrix[hawser_code_rows * hawser_code_rows], inverse[hawser_code_rows * hawser_code_rows];
  uint8_t *sources[hawser_code_rows], *targets[hawser_code_rows];
  int count = 0, entries = 0;
  for (int row = 0; row < hawser_code_rows; row++) {
    if (!(rows >> row & 1)) continue;
    for (int member = 0; member < hawser_code_members; member++)
      if (missing >> member & 1 && entries < hawser_code_rows * hawser_code_rows)
        matrix[entries++] = code->coefficients[row][member];
    sources[count] = (uint8_t *)sums + (size_t)count * stride;
    targets[count] = (uint8_t *)results + (size_t)count * stride;
    count++;
  }
  if (count == 0 || entries != count * count || length == 0) return 0;
  if (count == 1 && matrix[0] == 1) {
    memcpy(results, sums, length);
    return 1;
  }
  uint8_t tables[hawser_code_rows * hawser_code_rows * hawser_code_entry];
  if (gf_invert_matrix(matrix, inverse, count) != 0) return 0;
  ec_init_tables(count, count, inverse, tables);
  ec_encode_data((int)length, count, count, tables, sources, targets);
  return 1;
}

#pragma clang assume_nonnull end
