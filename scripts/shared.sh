#  shared.sh — what the scripts that build have in common. Sourced, not run.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# After an abort the crash reporter can hang for minutes while it holds our pipe; a core's stack is not worth that.
export SWIFT_BACKTRACE=enable=no

# Under sudo the build writes as root into a checkout that belongs to a user. What is new goes back to him, or his next
# plain `swift build` could not write there. For the same reason temporary files have a place of their own: SwiftPM keeps
# a lock in /tmp that is named after the checkout, and whoever did not make it may not open it.
is_sudo() { [ "$(id -u)" = 0 ] && [ "${SUDO_UID:-0}" != 0 ]; }

give_back() {
  local place
  for place in .git .build .b-* build Tests/Fuzz/.build Tests/Fuzz/corpus Package.resolved; do
    [ ! -e "$place" ] || find "$place" -uid 0 -exec chown -h "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" {} +
  done
}

finish() {
  local status=$?
  if is_sudo; then give_back; fi
  [ -z "${own_temporary:-}" ] || rm -rf "$own_temporary"
  exit $status
}
trap finish EXIT

if is_sudo && [ -z "${HAWSER_TEMPORARY:-}" ]; then
  own_temporary=$(mktemp -d "${TMPDIR:-/tmp}/hawser.XXXXXX")
  chmod 1777 "$own_temporary"
  export TMPDIR=$own_temporary HAWSER_TEMPORARY=$own_temporary
fi

# Release programs carry the Swift runtime, so that they start on a machine without Swift; what nobody calls is left out.
release=(-c release --static-swift-stdlib -Xlinker --gc-sections)
