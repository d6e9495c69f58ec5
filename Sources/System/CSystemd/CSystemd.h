//  libsystemd: what a service tells its manager, and the journal.
#pragma once
// Where in our sources a line comes from is no business of a log.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
