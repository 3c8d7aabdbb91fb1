import { statfsSync } from 'node:fs';

/**
 * The magic numbers by which Linux names file systems whose locks or shared memory do not reach every machine (or every
 * side of a virtual machine) that may have the file open. WAL needs both: https://sqlite.org/wal.html#noshm.
 * From linux/magic.h and statfs(2).
 */
const networkFileSystems = new Map<number, string>([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x65735546, 'FUSE'],
  [0x01021997, '9P'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x73757245, 'Coda'],
  [0x00c36400, 'Ceph'],
  [0x01161970, 'GFS2'],
  [0x0bd00bd0, 'Lustre'],
  [0x7461636f, 'OCFS2'],
  [0x47504653, 'GPFS'],
  [0xbacbacbc, 'VMware shared folder'],
  [0x786f4256, 'VirtualBox shared folder'],
]);

/** The type of the file system that holds the directory, as statfs(2) numbers it. */
export type FileSystemType = (directory: string) => number;

/** The name of the network file system that holds the directory; null when it is none that we know. Linux only: macOS gives no stable numbers. */
export function networkFileSystem(directory: string, fileSystemType: FileSystemType = statfsType): string | null {
  return networkFileSystems.get(fileSystemType(directory) >>> 0) ?? null;
}

function statfsType(directory: string): number {
  try {
    return statfsSync(directory).type;
  } catch {
    // A directory that can not be asked fails where it is used, with a better message.
    return 0;
  }
}
