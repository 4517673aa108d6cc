/** Why there is no server although nothing is wrong: a person said no, and need not be told again. */
export class NotWanted extends Error {}
