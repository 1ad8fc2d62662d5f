/** What nearly every object of OpenStack has. */
export interface Named {
  readonly id: string;
  readonly name: string;
}
