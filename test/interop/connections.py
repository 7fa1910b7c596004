"""Says what the real SQLAlchemy, PyMySQL, psycopg2, oslo.config and Glance make of a URL or of configuration files.

Started with the Python of a venv that has Glance. Reads one JSON request a line and answers with one JSON line:

    {"url": URL, "environment": {NAME: VALUE}}            what the driver would connect with
    {"arguments": [...], "environment": {NAME: VALUE}}    the same for the URL that Glance takes from its configuration

Nothing is asked of a server, and no certificate file is read: the drivers are asked up to that point. What they refuse is
answered as {"error": TEXT}. Each request is answered by a fork of this process, which has no state of an earlier one.
"""

import json
import os
import ssl
import sys

from glance.common import config  # noqa: F401, which registers what glance-manage has registered
from glance.db.sqlalchemy import api
from oslo_config import cfg
from oslo_db.sqlalchemy import engines
import psycopg2
import psycopg2.extensions
import pymysql.connections
import sqlalchemy


class Files:
    """The files that a TLS context is made with."""

    def __init__(self):
        self.named = {}

    def create_default_context(self, cafile=None, capath=None):
        self.named.update(ca=cafile, capath=capath)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        files = self

        class Context:
            def __setattr__(self, name, value):
                setattr(context, name, value)

            def __getattr__(self, name):
                return getattr(context, name)

            def load_cert_chain(self, cert, keyfile=None, password=None):
                files.named.update(cert=cert, key=keyfile)

            def set_ciphers(self, text):
                files.named['cipher'] = text
                context.set_ciphers(text)

        return Context()


def ask_pymysql(url):
    files = Files()
    pymysql.connections.ssl.create_default_context = files.create_default_context
    _, options = url.get_dialect()().create_connect_args(url)
    connection = pymysql.connections.Connection(defer_connect=True, **options)
    if not connection.ssl:
        mode = 'disable'
    elif not connection._ssl_required:
        mode = 'prefer'
    elif connection.ctx.verify_mode == ssl.CERT_NONE:
        mode = 'require'
    else:
        mode = 'verify-full' if connection.ctx.check_hostname else 'verify-ca'
    return {
        'engine': 'mysql',
        'host': connection.unix_socket or connection.host,
        'port': connection.port,
        'user': connection.user,
        'password': connection.password.decode('latin1'),
        'database': connection.db,
        'tls': {'mode': mode, **{name: value for name, value in files.named.items() if value is not None}},
    }


def ask_psycopg2(url, environment):
    _, options = url.get_dialect()().create_connect_args(url)
    # As psycopg2.connect does; libpq says which options it does not know.
    dsn = psycopg2.extensions.make_dsn(**options)
    found = psycopg2.extensions.parse_dsn(dsn)
    if 'service' in found or 'passfile' in found or any(name.startswith('PG') for name in environment):
        # Only a connection that has begun has read these. It is given up at once; its host is this machine.
        connection = psycopg2.connect(dsn, async_=1)
        found = {**connection.info.dsn_parameters, 'password': connection.info.password}
    return {'engine': 'postgres', **found}


def ask_driver(url, environment):
    engines._vet_url(url)
    return ask_psycopg2(url, environment) if url.get_backend_name() == 'postgresql' else ask_pymysql(url)


class Found(Exception):
    """Carries the URL out of Glance, which was about to connect to it."""


def ask_glance(arguments, environment):
    def found(url):
        raise Found(url)

    vet = engines._vet_url
    engines._vet_url = found
    cfg.CONF(arguments, project='glance', prog='glance-manage', default_config_files=[], default_config_dirs=[])
    try:
        api.get_engine()
    except Found as end:
        engines._vet_url = vet
        return {**ask_driver(end.args[0], environment), 'url': end.args[0].render_as_string(hide_password=False)}
    raise RuntimeError('no URL was asked for')


def answer(request):
    environment = request['environment']
    os.environ.update(environment)
    try:
        if 'url' in request:
            return ask_driver(sqlalchemy.make_url(request['url']), environment)
        return ask_glance(request['arguments'], environment)
    except BaseException as error:
        return {'error': '%s: %s' % (type(error).__name__, error)}


def answer_in_fork(request):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(write, 'w') as pipe:
            pipe.write(json.dumps(answer(request)))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


for line in sys.stdin:
    print(answer_in_fork(json.loads(line)), flush=True)
