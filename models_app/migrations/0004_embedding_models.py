from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def read_refused_ones_again(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """They were refused as models that cannot chat; a time that differs has them read."""
    entries = apps.get_model("models_app", "CatalogEntry").objects
    entries.filter(problem__startswith="This is an embedding model").update(modified_ns=0)


class Migration(migrations.Migration):
    dependencies = [("models_app", "0003_built_in_guide")]

    operations = [
        migrations.AddField(
            "catalogentry",
            "can_chat",
            models.BooleanField(default=True, help_text="else it makes embeddings only"),
        ),
        migrations.RunPython(read_refused_ones_again, migrations.RunPython.noop),
    ]
