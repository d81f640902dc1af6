# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# NFS-Ganesha, a server in user space, and rpcbind, which it insists on; both see a /run and a passwd of their own.
filter='tcp port 2049'
settings='  - {type: nfs, ports: [2049]}'

fetch() { unpacked ganesha nfs-ganesha nfs-ganesha-vfs rpcbind libnfsidmap1; }

serve() {
  local number program=$cache/live-ganesha plugins libraries
  libraries=$(dirname "$(find "$program" -name 'libnfsidmap.so*' | head -n 1)")
  plugins=$(dirname "$(find "$program" -name 'libfsalvfs.so' | head -n 1)")
  mkdir -p export recovery
  for number in 1 2 3; do seq $((number * 300)) >"export/file-$number.txt"; done
  cat >ganesha.conf <<END
NFS_CORE_PARAM { Protocols = 3, 4; NFS_Port = 2049; MNT_Port = 20048; Enable_NLM = false; Enable_RQUOTA = false; mount_path_pseudo = true; Plugins_Dir = "$plugins"; }
NFSv4 { Graceless = true; UseGetpwnam = true; DomainName = "rec.test"; RecoveryRoot = $PWD/recovery; Minor_Versions = 0; }
EXPORT { Export_Id = 1; Path = $PWD/export; Pseudo = /export; Access_Type = RW; Squash = No_Root_Squash; SecType = sys; Protocols = 3, 4; FSAL { Name = VFS; } }
LOG { Default_Log_Level = WARN; }
END
  # rpcbind changes to a user that its package would have made
  { cat /etc/passwd && echo '_rpc:x:65533:65534::/run/rpcbind:/usr/sbin/nologin'; } >passwd
  start ganesha ip netns exec "$server" unshare -m sh -c "mount -t tmpfs none /run && mkdir /run/rpcbind && mount --bind passwd /etc/passwd && { $program/sbin/rpcbind -f -w & } && sleep 1 &&
    LD_LIBRARY_PATH=$libraries:$program/usr/lib/ganesha exec $program/usr/bin/ganesha.nfsd -F -L $PWD/ganesha-server.log -f $PWD/ganesha.conf -p $PWD/ganesha-own.pid"
  wait_port tcp 2049 40 ganesha
  export EXPORTED=/export
}
