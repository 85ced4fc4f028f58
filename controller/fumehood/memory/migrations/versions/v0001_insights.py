"""The table of insights."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

revision = "0001"
down_revision = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    long = sa.Text().with_variant(MEDIUMTEXT, "mysql", "mariadb")
    op.create_table(
        "fumehood_insight",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("namespace", sa.String(100), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("importance", sa.Double, nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.Column("run_id", sa.String(200)),
        sa.Column("iteration", sa.Integer),
        sa.Column("data", long),
        sa.Column("evidence", long, nullable=False),
        sa.Column("details", long, nullable=False),
        sa.Column("subject", sa.String(64)),
        sa.Column("demoted_by", sa.String(32)),
        sa.Column("embedder", sa.String(200), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("fact", sa.String(64), nullable=False),
        sa.UniqueConstraint("namespace", "id", name="uk_fumehood_insight_namespace_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_fumehood_insight_subject", "fumehood_insight", ["namespace", "subject"])
    op.create_index("ix_fumehood_insight_state", "fumehood_insight", ["namespace", "number", "demoted_by"])


def downgrade() -> None:
    op.drop_table("fumehood_insight")
