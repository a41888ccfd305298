from ml_pipeline.cli import main

main()
