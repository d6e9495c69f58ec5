#  two-sites.sh — the two machines of docs/quick-start.md, and the internet between them.
#
#      branch ── eth0  192.0.2.2    ── internet ── eth0 203.0.113.7 ── hub
#             └─ wwan0 198.51.100.2 ──┘

. "$(dirname "$3")/machine.sh"
machine branch
machine hub
ip netns add internet
ip -n internet link set lo up
ip netns exec internet sysctl -qw net.ipv4.ip_forward=1
line() {
  ip -n "$1" link add "$2" type veth peer name "$1-$2" netns internet
  ip -n "$1" address add "$3/24" dev "$2"
  ip -n "$1" link set "$2" up
  ip -n internet address add "$4/24" dev "$1-$2"
  ip -n internet link set "$1-$2" up
  ip -n "$1" route add default via "$4" dev "$2" metric "$5"
}
line branch eth0 192.0.2.2 192.0.2.1 100
line branch wwan0 198.51.100.2 198.51.100.1 200
line hub eth0 203.0.113.7 203.0.113.1 100
