/**
 * What went wrong with a guest or the programs around it. The first line says what failed, on what, why, and what to do;
 * where a guest died, its last console lines follow.
 */
export class MachineError extends Error {
  override readonly name = "MachineError";
}
