#  install.sh — a whole life of the package on one machine; the first thing that is not right ends it with a word.

. "$(dirname "$3")/machine.sh"
machine one

# Everything on it but what apt, dpkg and adduser keep for themselves.
look() {
  on one 'find / -xdev \( -path /proc -o -path /dev -o -path /run -o -path /root -o -path /tmp -o -path /var/cache \
    -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/log \) -prune -o -printf "%p %u:%g %m %y\n" |
    grep -vE "^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-? |^/etc/\.pwd\.lock |^(/|/etc|/usr/local/sbin) " | sort
    cut -d: -f1 /etc/passwd /etc/group | sort'
}
expect() { on one "$2" >"$work/said" 2>&1 || { echo "$1:"; cat "$work/said"; exit 1; }; }

look >"$work/before"
expect "it does not install" 'apt-get install -y ./hawser_*.deb'
expect "what is installed is not what the package says" 'test -z "$(dpkg -V hawser)"'
expect "the programs do not start" 'hawser --version && path-oracle --version && netlab --version'
expect "a page is missing" 'for page in man8/hawser.8 man5/hawser.conf.5 man8/path-oracle.8 man1/netlab.1 man5/topology.5; do
  zcat /usr/share/man/$page.gz | grep -q "^.Dt"; done'
expect "completions are missing" 'grep -q hawser /usr/share/bash-completion/completions/hawser
  test -s /usr/share/zsh/vendor-completions/_netlab -a -s /usr/share/fish/vendor_completions.d/path-oracle.fish'
expect "examples are missing" 'grep -q ListenPort /usr/share/doc/hawser/examples/hub.conf'
expect "the folder of configurations is open" 'test "$(stat -c "%U:%G %a" /etc/hawser)" = "root:hawser 2750"'

# A hub whose uplink is the loopback, from the example that is installed.
expect "it cannot be configured" 'umask 027; cd /etc/hawser
  hawser genkey >hub.key
  sed "s|KEY_OF_BRANCH|$(hawser genkey | hawser pubkey)|; s|= eth0|= lo|" /usr/share/doc/hawser/examples/hub.conf >hub.conf
  hawser check-config hub.conf'
expect "the service does not start" 'systemctl enable --now hawser@hub'
expect "it does not answer" 'hawser status | tee /dev/stderr | grep -q hawser0'
expect "it has rights that it needs not, or is root" 'pid=$(cat hawser@hub.pid)
  test "$(stat -c %U /proc/$pid)" = hawser
  grep -q "CapEff:.*0000000000003000" /proc/$pid/status
  grep -q "NoNewPrivs:.*1" /proc/$pid/status'
expect "it does not end" 'kill $(cat hawser@hub.pid); for i in $(seq 50); do kill -0 $(cat hawser@hub.pid) 2>/dev/null || exit 0; sleep 0.1; done; exit 1'

# From a version of before, with a file that there is none of any more.
expect "it is not removed" 'md5sum /etc/hawser/* >kept; apt-get remove -y hawser; md5sum -c kept'
expect "the version of before cannot be made" 'dpkg-deb -R ./hawser_*.deb before
  echo "no longer" >before/usr/share/doc/hawser/examples/gone.conf
  sed -i "s/^Version: .*/Version: 0.0~before/" before/DEBIAN/control
  dpkg-deb -b before before.deb; apt-get install -y ./before.deb; test -e /usr/share/doc/hawser/examples/gone.conf'
expect "it is no upgrade" 'apt-get install -y ./hawser_*.deb
  md5sum -c kept; test ! -e /usr/share/doc/hawser/examples/gone.conf; test -z "$(dpkg -V hawser)"
  test "$(dpkg-query -W -f \${Version} hawser)" = "$(dpkg-deb -f ./hawser_*.deb Version)"'
expect "it does not install again" 'apt-get install -y --reinstall ./hawser_*.deb; md5sum -c kept'
expect "it is not removed" 'apt-get remove -y hawser; ! command -v hawser; ls /etc/hawser/hub.key'
expect "it is not purged" 'apt-get purge -y hawser; test ! -e /etc/hawser -a ! -e /var/lib/hawser'
look >"$work/after"
diff "$work/before" "$work/after" || { echo "something is left behind"; exit 1; }
echo fine
