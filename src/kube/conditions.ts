import type { Condition } from './core.ts';

export type ConditionStatus = Condition['status'];

/** What a condition should say; times are filled in by `setCondition`. */
export interface ConditionDraft {
  readonly type: string;
  readonly status: ConditionStatus;
  /** UpperCamelCase, for programs. */
  readonly reason: string;
  /** One line, for people. */
  readonly message: string;
}

export function conditionOf(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return conditionOf(conditions, type)?.status === 'True';
}

/** The drafts as conditions; lastTransitionTime moves only where the status changes. */
export function mergeConditions(before: readonly Condition[] | undefined, drafts: readonly ConditionDraft[], nowMs: number, observedGeneration?: number): readonly Condition[] {
  return drafts.map((draft) => {
    const known = conditionOf(before, draft.type);
    const lastTransitionTime = known?.status === draft.status && known.lastTransitionTime !== undefined ? known.lastTransitionTime : timestamp(nowMs);
    return { ...draft, lastTransitionTime, ...(observedGeneration === undefined ? {} : { observedGeneration }) };
  });
}

/** metav1.Time: RFC 3339 in UTC with whole seconds. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** metav1.MicroTime. */
export function microTimestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`;
}
