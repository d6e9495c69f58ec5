//  libpq: PostgreSQL's client. The numbers of types are part of its protocol; the header that names them comes with the
//  server's sources only.
#pragma once
#include <libpq-fe.h>

static const unsigned hawser_pg_bytea = 17;
static const unsigned hawser_pg_int8 = 20;
static const unsigned hawser_pg_text = 25;

/// The five characters that name an error; NULL when the error is the connection's.
static inline const char *hawser_pg_state(const PGresult *result) {
  return PQresultErrorField(result, PG_DIAG_SQLSTATE);
}
