#  services.sh — runs on the machine: the life of a gateway's service as systemd sees it, and of a relay's.

export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
trap 'test $? = 0 || journalctl --no-pager --unit "hawser*" | tail -n 40' EXIT
set -x
cd /root
dpkg -i /mnt/hawser.deb
# As udev leaves it.
chmod 666 /dev/net/tun
ip link add up0 type veth peer name up1
ip link set up1 up
ip address add 192.0.2.1/24 dev up0
ip link set up0 up

umask 027
cd /etc/hawser
hawser genkey >hub.key
sed "s|KEY_OF_BRANCH|$(hawser genkey | hawser pubkey)|; s|= eth0|= up0|" /usr/share/doc/hawser/examples/hub.conf >hub.conf
# Returns when the gateway says that it is ready.
systemctl enable --now hawser@hub
main() { systemctl show --property MainPID --value hawser@hub; }
index() { cat /sys/class/net/hawser0/ifindex; }
# Until it is another process, and that one is ready.
renewed() {
  set +x
  for _ in $(seq 300); do
    [ "$(main)" = "$1" ] || [ "$(main)" = 0 ] || ! systemctl --quiet is-active hawser@hub || break
    sleep 0.1
  done
  set -x
  systemctl is-active hawser@hub && test "$(main)" != "$1"
}
first=$(index)

# A reload is the same process with other settings, and a file that is wrong changes nothing.
before=$(main)
printf '[Rule "ping"]\nProtocol = icmp\nStack = raw\n' >>hub.conf
systemctl reload hawser@hub
test "$(main)" = "$before"
hawser rules | grep ping
echo Colour = blue >>hub.conf
if hawser reload; then exit 1; fi
sed -i '$d' hub.conf
systemctl is-active hawser@hub

# The virtual interface, and with it every connection of those who use it, stays over a restart,
systemctl restart hawser@hub
test "$(main)" != "$before"
test "$(index)" = "$first"
# a crash,
before=$(main)
kill -KILL "$before"
renewed "$before"
test "$(index)" = "$first"
# and a loop that hangs, which the watchdog ends.
before=$(main)
kill -STOP "$before"
renewed "$before"
test "$(index)" = "$first"

# A journal's fields.
journalctl --unit hawser@hub --output json --no-pager | grep '"HAWSER_EVENT":"started"' | grep -q '"MESSAGE_ID"'

# An end is an end.
systemctl stop hawser@hub
test ! -e /sys/class/net/hawser0

hawser genkey >relay.key
sed "s|KEY_OF_BRANCH|$(hawser genkey | hawser pubkey)|" /usr/share/doc/hawser/examples/relay.conf >west.conf
systemctl start hawser-relay@west
systemctl is-active hawser-relay@west

# What systemd thinks of what they may do; 3.0 is the most that we allow.
for unit in hawser@hub hawser-relay@west path-oracle; do
  systemd-analyze security --no-pager --threshold=30 "$unit" >security || { cat security; exit 1; }
done
set +x
echo fine
