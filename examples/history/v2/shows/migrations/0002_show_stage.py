"""Shows have a stage."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shows", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="show",
            name="stage",
            field=models.CharField(
                max_length=10,
                choices=[
                    (None, "To be announced"),
                    ("hall", "Great Hall"),
                    ("garden", "Garden Stage"),
                ],
                blank=True,
                db_default="",
            ),
        ),
    ]
