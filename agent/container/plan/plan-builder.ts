import type { Slot } from "../../kernel/init/argument-kinds.ts";
import type { PlanOp } from "../../kernel/init/plan.ts";

/** One operation of a plan, and the field of the spec that it comes from. */
export interface PlanStep {
  readonly op: PlanOp;
  readonly reason: string;
}

/** A compiled plan: its steps, and the descriptor names of its slots, in order. */
export interface CompiledPlan {
  readonly steps: readonly PlanStep[];
  readonly slots: readonly string[];
}

/** A compiled plan, and how its process is born. */
export interface LaunchPlan extends CompiledPlan {
  /** The process is born in a new pid namespace. */
  readonly newPidNamespace?: boolean;
  /** The process is born outside the pid namespace of the slot "init", and forks into it later. */
  readonly bornOutside?: boolean;
}

/** Collects steps and hands out a slot number for each descriptor name. */
export class PlanBuilder {
  readonly #steps: PlanStep[] = [];
  readonly #slots = new Map<string, Slot>();
  readonly #origins: Readonly<Record<string, string>>;

  /** Takes a spec's `origins`, which are appended to the field in the reason. */
  constructor(origins: Readonly<Record<string, string>> = {}) {
    this.#origins = origins;
  }

  add(reason: string, ...ops: readonly PlanOp[]): void {
    const origin = Object.hasOwn(this.#origins, reason) ? ` of ${this.#origins[reason]}` : "";
    for (const op of ops) this.#steps.push({ op, reason: reason + origin });
  }

  /** Returns the slot of a descriptor name, always the same for the same name. */
  slot(name: string): Slot {
    const slot = this.#slots.get(name) ?? this.#slots.size;
    this.#slots.set(name, slot);
    return slot;
  }

  finish(): CompiledPlan {
    return { steps: this.#steps, slots: [...this.#slots.keys()] };
  }
}
