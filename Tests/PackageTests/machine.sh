#  machine.sh — sourced: bare Debians in namespaces, each with our package at hand and stand-ins for what only a whole
#  machine has. Called as `unshare --mount --pid --fork --kill-child --net sh -e SCRIPT CACHE PACKAGE HERE`; with that process all
#  of it goes.

cache=$1 package=$2
mount --make-rprivate /
mount -t proc proc /proc
# A folder that every Debian has, and that is ours in here: nothing of it is left on the disk.
work=/mnt
mount -t tmpfs -o mode=755 none "$work"
# Names of networks are ours, too.
mount -t tmpfs none /run

# machine NAME: a Debian of its own in a network of its own.
machine() {
  mkdir -p "$work/$1.up" "$work/$1.work" "$work/$1"
  mount -t overlay overlay -o "lowerdir=$cache,upperdir=$work/$1.up,workdir=$work/$1.work" "$work/$1"
  ip netns add "$1"
  ip -n "$1" link set lo up
  mount -t proc proc "$work/$1/proc"
  mount -t tmpfs -o mode=755 none "$work/$1/dev"
  mount -t tmpfs none "$work/$1/run"
  mkdir "$work/$1/dev/net" "$work/$1/dev/pts" "$work/$1/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=666 devpts "$work/$1/dev/pts"
  ln -s pts/ptmx "$work/$1/dev/ptmx"
  ln -s /proc/self/fd "$work/$1/dev/fd"
  ln -s /proc/self/fd/2 "$work/$1/dev/stderr"
  for device in "null 1 3" "zero 1 5" "random 1 8" "urandom 1 9" "tty 5 0" "net/tun 10 200"; do
    set -- "$1" $device
    mknod -m 666 "$work/$1/dev/$2" c "$3" "$4"
  done
  mkdir -p "$work/$1/root" "$work/$1/usr/local/sbin"
  cp "$package" "$work/$1/root/"
  stand_ins "$work/$1/usr/local/sbin"
}

# on NAME SCRIPT: a shell's lines on that machine, as root, where the package is.
on() {
  ip netns exec "$1" chroot "$work/$1" env -i HOME=/root LANG=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin sh -ec "cd /root; $2"
}

# sudo is there on every machine but this one; scp reaches the other roots by their addresses; and a service is run as
# its unit says, without the manager: user, rights, folders, command.
stand_ins() {
  cat >"$1/sudo" <<'END'
#!/bin/sh
exec "$@"
END
  cat >"$1/scp" <<'END'
#!/bin/sh
for last; do :; done
while [ $# -gt 1 ]; do
  [ "$1" = -p ] || echo "$1" >>/root/copied
  shift
done
echo "$last" >/root/copied-to
END
  cat >"$1/systemctl" <<'END'
#!/bin/sh
set -e
case $* in
  "enable --now "*@*) ;;
  *) exit 0 ;;
esac
name=${3%@*} instance=${3#*@}
unit=/lib/systemd/system/$name@.service
value() { sed -n "s/^$1=//p" "$unit" | sed "s/%i/$instance/g" | head -n 1; }
user=$(value User)
test -e "$(value AssertPathExists)"
install -d -o "$user" -g "$user" -m 700 "/var/lib/$(value StateDirectory)"
install -d -o "$user" -g "$user" -m 755 "/run/$(value RuntimeDirectory)"
rights=$(value AmbientCapabilities | tr A-Z a-z | sed 's/cap_/+/g; s/ /,/g')
STATE_DIRECTORY=/var/lib/$(value StateDirectory) setsid setpriv --reuid "$user" --regid "$user" --init-groups \
  --bounding-set "-all,$rights" --inh-caps "-all,$rights" --ambient-caps "-all,$rights" --no-new-privs \
  $(value ExecStart) >"/root/$name@$instance.log" 2>&1 </dev/null &
echo $! >"/root/$name@$instance.pid"
for i in $(seq 100); do
  grep -q ': up' "/root/$name@$instance.log" && exit
  kill -0 $! || break
  sleep 0.1
done
cat "/root/$name@$instance.log" >&2
exit 1
END
  chmod 755 "$1/sudo" "$1/scp" "$1/systemctl"
}

# copy FROM TO: what `scp` was told on that machine, done.
copy() {
  for file in $(cat "$work/$1/root/copied"); do cp -p "$work/$1$file" "$work/$2$(sed 's/.*://' "$work/$1/root/copied-to")"; done
  # As scp leaves it: made by root, in a folder that hands its files to a group.
  group=$(stat -c %g "$work/$2/etc/hawser")
  for file in $(cat "$work/$1/root/copied"); do chgrp "$group" "$work/$2$file"; done
  rm "$work/$1/root/copied" "$work/$1/root/copied-to"
}

# soon NAME SCRIPT: the same, tried again for ten seconds as long as it fails.
soon() {
  for try in $(seq 50); do
    if on "$1" "$2" >"$work/soon" 2>&1; then
      cat "$work/soon"
      return
    fi
    sleep 0.2
  done
  cat "$work/soon"
  return 1
}
