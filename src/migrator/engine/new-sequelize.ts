import { type Options, Sequelize } from 'sequelize';

/**
 * Opens Sequelize without its warnings. It prints one where a rollback fails because the connection
 * is lost: the server has rolled back by itself then, and the run says what happened.
 *
 * Source: sequelize 6, lib/transaction.js, rollback.
 */
export function newSequelize(settings: Options): Sequelize {
  console.warn = () => undefined;
  return new Sequelize(settings);
}
