import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect } from 'chai';
import mysql from 'mysql2';
import pg from 'pg';
import { Sequelize, Transaction } from 'sequelize';
import {
  destroyPostgresSocket,
  hasTransactionEnded,
  mysqlGreeting,
  onMysqlSocketClosed,
  postgresBackend,
} from '../../../../src/migrator/engine/driver-internals.ts';

describe('the fields of drivers that are not published', () => {
  it('pg has the number of its backend, once it knows it', () => {
    const client = new pg.Client();
    expect(client).to.have.property('processID');
    expect(postgresBackend(client)).to.equal(undefined);
    expect(postgresBackend(Object.assign(client, { processID: 7 }))).to.equal(7);
  });

  it('pg has the socket of a connection', () => {
    const client = new pg.Client();
    destroyPostgresSocket(client);
    expect(client).to.have.nested.property('connection.stream.destroyed', true);
  });

  it('mysql2 has the greeting and the socket beneath its promises', async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const connection = mysql.createConnection({ host: '127.0.0.1', port });
    connection.on('error', () => undefined);
    const client = connection.promise();
    expect(client).to.have.nested.property('connection._handshakePacket');
    expect(mysqlGreeting(client)).to.equal('');
    const closed = Promise.withResolvers<void>();
    onMysqlSocketClosed(client, () => closed.resolve());
    await closed.promise;
    server.close();
  });

  it('sequelize marks a transaction that has ended', async () => {
    const sequelize = new Sequelize({ dialect: 'postgres', logging: false });
    Object.assign(sequelize.getQueryInterface(), { commitTransaction: async () => undefined });
    const transaction: Transaction = Reflect.construct(Transaction, [sequelize, {}]);
    expect(hasTransactionEnded(transaction)).to.equal(false);
    Object.assign(transaction, { connection: {}, cleanup: () => undefined });
    await transaction.commit();
    expect(hasTransactionEnded(transaction)).to.equal(true);
  });

  it('says so where one is gone', () => {
    expect(() => destroyPostgresSocket({})).to.throw("the driver has no field 'connection' any more");
  });
});
