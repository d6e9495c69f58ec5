#  systemd.sh — a machine that systemd has started, with our services on it: what no stand-in can show.
#
#  Called as machine.sh is: CACHE PACKAGE HERE. All that happens lies in memory, above the bare Debian, and goes with this
#  process. What is said on the machine is told here.

mount --make-rprivate /
mount -t proc proc /proc
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$2" "$work/hawser.deb"
cp "$(dirname "$3")/services.sh" "$work/"
cat >"$work/check.service" <<'END'
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=-/bin/sh -c "/bin/sh -e /mnt/services.sh >/mnt/said 2>&1"
ExecStartPost=/bin/systemctl poweroff --force
END
# How long it takes does not matter; whether it ends does.
timeout 120 systemd-nspawn --quiet --directory "$1" --volatile=overlay --register=no --keep-unit --private-network \
  --capability=all --bind="$work:/mnt" --bind-ro="$work/check.service:/etc/systemd/system/check.service" \
  --boot systemd.firstboot=no systemd.wants=check.service >"$work/console" 2>&1 </dev/null || true
cat "$work/said" 2>/dev/null || { echo "the machine does not start:"; tail -n 20 "$work/console"; }
