/** Returns a time as google.protobuf.Timestamp; null for none. */
export function timestamp(time: Date | undefined): { readonly seconds: number; readonly nanos: number } | null {
  const ms = time?.getTime();
  return ms === undefined ? null : { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
}
