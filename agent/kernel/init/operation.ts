import { capabilityMask } from "../capabilities.ts";
import type { Kind, ValueOf } from "./argument-kinds.ts";

/** Arguments by name, in the order of their encoding. */
export type Arguments = Readonly<Record<string, Kind>>;

/** Fields of an operation with these arguments. */
export type Fields<A extends Arguments> = Flat<
  { readonly [N in keyof A as A[N] extends "optional" ? never : N]: ValueOf<A[N]> } & {
    readonly [N in keyof A as A[N] extends "optional" ? N : never]?: NonNullable<ValueOf<A[N]>>;
  }
>;

/** One object type for an intersection. */
export type Flat<T> = { [N in keyof T]: T[N] };

/** A mask of capabilities; "all" for what keeps using its caller's credentials. */
export type Needs = bigint | "all";

/** Everything that the agent knows about one operation of a plan. The texts never contain environment values. */
export interface Operation<F, A extends Arguments = Arguments> {
  /** Position in PLAN_OPS of agent/native/init/plan.h, from 1. */
  readonly code: number;
  readonly args: A;
  /** Capabilities that the kernel may require. `slots` are the names of the plan's descriptors. */
  readonly needs: Needs | ((op: F, slots: readonly string[]) => Needs);
  /** Names the call in errors and explanations; without it the operation's name does. */
  readonly call?: string | ((op: F) => string);
  /** Names what the call acts on, in errors. */
  readonly object: string | ((op: F) => string);
  /** Describes everything that the call acts on, in explanations, if `object` doesn't. */
  readonly detail?: (op: F, slots: readonly string[]) => string | undefined;
}

/** Types an operation's functions by its arguments. */
export function operation<const A extends Arguments>(row: Operation<Fields<A>, A>): Operation<Fields<A>, A> {
  return row;
}

export const capabilities = (...names: readonly string[]): bigint => capabilityMask(names);

export const NOTHING = 0n;
/** Accesses and creates files of any owner. */
export const FILES = capabilities("DAC_OVERRIDE");
/** Mounts, and creates and joins namespaces. */
export const ADMIN = capabilities("SYS_ADMIN");

export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
