/** A protobuf field of wire type 2: a string, bytes or a message. */
export function bytesField(number: number, value: string | Buffer): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

/** An oci.Spec with the messages that every container brings: process, root, mounts, namespaces. */
export function spec(): Buffer {
  const texts = (number: number, ...values: string[]) => values.map((value) => bytesField(number, value));
  const user = bytesField(3, Buffer.from([8, 0, 16, 0]));
  const capabilities = bytesField(7, Buffer.concat([1, 2, 3, 4, 5].flatMap((set) => texts(set, "CAP_KILL"))));
  const rlimits = bytesField(8, Buffer.concat([...texts(1, "RLIMIT_NOFILE"), Buffer.from([16, 1, 24, 1])]));
  const command = [...texts(4, "sh", "-c", "true"), ...texts(5, "PATH=/bin", "HOME=/"), ...texts(6, "/")];
  const mount = [...texts(1, "/proc"), ...texts(2, "proc"), ...texts(3, "proc"), ...texts(4, "nosuid", "noexec")];
  const namespaces = ["pid", "mount", "ipc", "uts"].map((type) => bytesField(6, bytesField(1, type)));
  return Buffer.concat([
    bytesField(1, "1.1.0"),
    bytesField(2, Buffer.concat([user, ...command, capabilities, rlimits])),
    bytesField(3, bytesField(1, "rootfs")),
    bytesField(5, Buffer.concat(mount)),
    bytesField(8, Buffer.concat(namespaces)),
  ]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
