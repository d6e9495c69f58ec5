//  SQLite 3, and values for its statements: "make a copy" is a cast there, which Swift cannot see.
#pragma once
#include <sqlite3.h>
#include <stddef.h>

static inline int hawser_sqlite_bind_text(sqlite3_stmt *statement, int index, const void *text, size_t length) {
  return sqlite3_bind_text64(statement, index, length ? text : "", length, SQLITE_TRANSIENT, SQLITE_UTF8);
}

/// No bytes are an empty value; SQLite would take a null pointer for no value.
static inline int hawser_sqlite_bind_bytes(sqlite3_stmt *statement, int index, const void *bytes, size_t length) {
  return sqlite3_bind_blob64(statement, index, length ? bytes : "", length, SQLITE_TRANSIENT);
}
